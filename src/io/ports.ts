/**
 * What a machine's driver needs of the world, as types. Each port has an adapter over the kernel and one in memory
 * (memory-*.ts), and both pass the same contract tests.
 *
 * Batches are lent: their arrays and bytes are overwritten as soon as the callback has returned. Every packet has HEADROOM
 * (core/machine.ts) writable bytes before its offset, so that a header fits in front without a copy; so has every datagram,
 * unless its socket was opened for runs of them.
 */
import type { Endpoint, Ipv4, Ipv6 } from '../wire/index.ts';

export type { Entropy } from '../core/entropy.ts';

/** Datagrams received in one go; valid until the callback returns. */
export interface DatagramBatch {
  readonly count: number;
  readonly buffer: Uint8Array;
  /** Where each payload starts in `buffer`. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** IPv4 sources, host order. */
  readonly addresses: Uint32Array;
  readonly ports: Uint16Array;
}

/** IPv6 packets read from a tunnel interface in one go; valid until the callback returns. */
export interface PacketBatch {
  readonly count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
}

/** How often something failed, by the error's name (`EAGAIN`, `ENETUNREACH` ...). Failures never stop a port. */
export type FailureCounters = Readonly<Record<string, number>>;

export interface UdpCounters {
  readonly receivedDatagrams: number;
  readonly receivedBytes: number;
  /** Datagrams the kernel dropped because nobody fetched them in time. */
  readonly receiveOverflows: number;
  readonly receiveFailures: FailureCounters;
  readonly sentDatagrams: number;
  readonly sentBytes: number;
  /** Datagrams that were not sent, by reason. */
  readonly sendFailures: FailureCounters;
}

export interface UdpReceiver {
  /** The bound address (0 = any) and port. */
  readonly local: Endpoint;
  readonly counters: UdpCounters;
  /** Begins to receive; called once. An exception out of the callback ends the process, as any uncaught one. */
  start(onDatagrams: (batch: DatagramBatch) => void): void;
  /** Stops and releases the socket; what was queued and not flushed is gone. Harmless when repeated. */
  close(): void;
}

export interface Udp extends UdpReceiver {
  /**
   * Queue one datagram, flushing first when the queue is full. The bytes are copied at once, except those of a batch
   * being delivered: they must stay as they are until {@link flush}, which then is due before the callback returns.
   */
  send(buffer: Uint8Array, offset: number, length: number, address: Ipv4, port: number): void;
  /** Sends what is queued. What the kernel refuses is counted, never thrown. */
  flush(): void;
}

export interface TunCounters {
  readonly readPackets: number;
  readonly readBytes: number;
  readonly writtenPackets: number;
  readonly writtenBytes: number;
  readonly readFailures: FailureCounters;
  /** Packets that the kernel did not take, by reason. */
  readonly writeFailures: FailureCounters;
}

export interface Tun {
  /** The interface's name, as the kernel gave it. */
  readonly name: string;
  readonly counters: TunCounters;
  /**
   * Begins to read; called once. `onLost` is called at most once, when the interface was removed under the process;
   * the port is then closed.
   */
  start(onPackets: (batch: PacketBatch) => void, onLost: (error: Error) => void): void;
  /** Hands one IPv6 packet to the host. Same rule for its bytes as {@link Udp.send}. */
  write(buffer: Uint8Array, offset: number, length: number): void;
  flush(): void;
  /** Closes the device; the interface, its addresses and routes go with it. Harmless when repeated. */
  close(): void;
}

/** Sends whole IPv6 packets, header and foreign source included, as the host's routing table says. */
export interface RawIpv6 {
  /** Failures of {@link send} by reason. */
  readonly failures: FailureCounters;
  /** Whether the kernel took the packet. The bytes are not needed afterwards. */
  send(buffer: Uint8Array, offset: number, length: number): boolean;
  close(): void;
}

export interface Clock {
  /** Milliseconds of a monotonic clock that starts anywhere; with fractions. */
  now(): number;
  /** Calls `fn` once, not before `now()` is `atMs`; at once (but not from inside this call) when that is past. */
  setTimer(atMs: number, fn: () => void): CancelTimer;
}

/** Harmless when repeated or late. */
export type CancelTimer = () => void;

/** Says that the host's links, addresses or routes have changed; not what, and possibly more often than they did. */
export interface NetworkMonitor {
  start(onChange: () => void): void;
  close(): void;
}

export interface Ipv4Subnet {
  readonly address: Ipv4;
  readonly prefixLength: number;
  readonly interface: string;
}

export interface Ipv6Route {
  readonly destination: Ipv6;
  readonly prefixLength: number;
  /** The kernel's metric: the smaller one wins. */
  readonly metric?: number;
}

/**
 * The host's addresses, routes and interfaces. The methods that change something reject with an EnvironmentError that says
 * which step failed; one has to be over before the next begins.
 */
export interface HostNetwork {
  /** IPv4 addresses of the interfaces that are up, loopback left out. */
  ipv4Subnets(): readonly Ipv4Subnet[];
  /** Global IPv6 addresses of the host, Teredo ones and those of tunnels of ours left out. */
  globalIpv6(): readonly Ipv6[];
  /** The local address that datagrams to `destination` leave from; undefined where there is no route. */
  sourceAddress(destination: Ipv4): Ipv4 | undefined;
  /** Whether a default route over IPv6 exists that does not lead into `exceptInterface`. */
  hasNativeIpv6(exceptInterface: string): boolean;
  /** Whether this host forwards IPv6 packets between its interfaces. */
  forwardsIpv6(): boolean;
  /** Sets the MTU and takes the interface up; no link-local address or router solicitation of the kernel's own. */
  setUpTunnel(name: string, mtu: number): Promise<void>;
  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  /** Harmless when it is gone already, as when the whole interface is. */
  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  addRoute(name: string, route: Ipv6Route): Promise<void>;
  /** Harmless when it is gone already. */
  removeRoute(name: string, route: Ipv6Route): Promise<void>;
}
