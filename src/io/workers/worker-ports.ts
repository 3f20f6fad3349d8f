import type { UdpOptions } from '../port-factory.ts';
import type { Udp } from '../ports.ts';

/** The threads that the roles can have: each is a module of src/runtime/workers/ that runs there. */
export type WorkerKind = 'server-worker';

/** Another thread of this process, with an event loop and memory of its own. Messages are copies. */
export interface WorkerThread {
  post(message: object): void;
  /** Sets the handlers; called once. `onLost` is called at most once: the thread has ended, and nobody has asked it to. */
  start(onMessage: (message: object) => void, onLost: (reason: Error) => void): void;
  /** Resolves when the thread has ended, or when it does not within the time. It has been told to end before. */
  ended(withinMs: number): Promise<void>;
}

/** A UDP port whose datagrams are divided among threads: all of a source address go to the same one. */
export interface SharedUdp {
  /** For this thread. */
  readonly own: Udp;
  /** For the others: numbers that {@link WorkerPorts.adoptUdp} takes there. */
  readonly others: readonly number[];
}

/** What a role needs to have workers. */
export interface WorkerPorts {
  /** `key`: the addresses are hashed with it. The same key divides two ports in the same way. Throws an EnvironmentError. */
  openSharedUdp(options: UdpOptions, count: number, key: number): SharedUdp;
  /** The same of sockets that an earlier process has opened so, all of them in their order. */
  takeOver(left: readonly number[], options: UdpOptions, key: number): SharedUdp;
  adoptUdp(other: number, options: UdpOptions): Udp;
  /** Closes one that no thread has adopted. */
  discard(other: number): void;
  /** `data` is copied, except shared memory. */
  startThread(kind: WorkerKind, data: object): WorkerThread;
}
