import type { UdpOptions } from '../port-factory.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { Tun, Udp } from '../ports.ts';
import type { Steering } from './worker-of.ts';

/** The threads that the roles can have: each is a module of src/runtime/workers/ that runs there. */
export type WorkerKind = 'server-worker' | 'relay-worker' | 'client-worker';

/** Another thread of this process, with an event loop and memory of its own. Messages are copies. */
export interface WorkerThread {
  post(message: object): void;
  /** Sets the handlers; called once. `onLost` is called at most once: the thread has ended, and nobody has asked it to. */
  start(onMessage: (message: object) => void, onLost: (reason: Error) => void): void;
  /** Resolves when the thread has ended, or when it does not within the time: then it loses its ports. It has been told to end before. */
  ended(withinMs: number): Promise<void>;
}

/** A UDP port whose datagrams are divided among threads: all of a source address go to the same one. */
export interface SharedUdp {
  /** For this thread. */
  readonly own: Udp;
  /** For the others: numbers that {@link WorkerPorts.adoptUdp} takes there. */
  readonly others: readonly number[];
}

/** A tunnel's interface with a queue for each thread, and a UDP port with a socket for each: what is of one client comes to one thread. */
export interface SharedTunnel {
  /** For this thread. */
  readonly tun: Tun;
  readonly udp: Udp;
  /** For the others: numbers that {@link WorkerPorts.adoptTun} and {@link WorkerPorts.adoptUdp} take there. */
  readonly others: readonly { readonly tun: number; readonly udp: number }[];
}

/** The same, where the first thread says which peers another thread has. Packets of all others, or of no peer, are its own. */
export interface PeerTunnel extends SharedTunnel {
  readonly sharing: PeerSharing;
}

export interface PeerSharing {
  /**
   * Packets to the peer with the IPv6 address at `buffer[offset]`, and its packets from this outer address and port, go to a worker from now on.
   * False: the kernel has no room, and nothing changes.
   */
  give(buffer: Uint8Array, offset: number, address: Ipv4, port: number, worker: number): boolean;
  /** They go to the first thread again. */
  takeBack(buffer: Uint8Array, offset: number): void;
  close(): void;
}

/** What a role needs to have workers. */
export interface WorkerPorts {
  /** Milliseconds to add to a time of this thread's clock: then it can be compared with those of other threads. It never changes. */
  readonly clockOffset: number;
  /** `key`: the addresses are hashed with it. The same key divides two ports in the same way. Throws an EnvironmentError. */
  openSharedUdp(options: UdpOptions, count: number, key: number): SharedUdp;
  /** The same of sockets that an earlier process has opened so, all of them in their order. */
  takeOver(left: readonly number[], options: UdpOptions, key: number): SharedUdp;
  /** Opens the interface with this name, and the port. Throws an EnvironmentError. */
  openSharedTunnel(name: string, options: UdpOptions, steering: Steering): SharedTunnel;
  /**
   * The same for `workers` threads and at most so many peers that others than the first have. `left`: the first thread's queue and socket, which an
   * earlier process has left open.
   */
  openPeerTunnel(
    name: string,
    options: UdpOptions,
    workers: number,
    most: number,
    left?: { readonly tun: number; readonly udp: number },
  ): PeerTunnel;
  adoptUdp(other: number, options: UdpOptions): Udp;
  adoptTun(other: number, name: string): Tun;
  /** Closes one that no thread has adopted. */
  discard(other: number): void;
  /** `data` is copied, except shared memory. `lent`: numbers that the thread adopts. Those that it leaves open are closed when it ends. */
  startThread(kind: WorkerKind, data: object, lent: readonly number[]): WorkerThread;
}
