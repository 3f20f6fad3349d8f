/**
 * The ports through which a machine's driver reaches the outside world, as types. Each port has an adapter over the kernel and one in
 * memory (memory-*.ts); both pass the same contract tests.
 *
 * Batches are lent: their arrays and bytes are overwritten as soon as the callback has returned. Every packet has HEADROOM
 * (core/machine.ts) writable bytes before its offset, so that a header fits in front without a copy. So has every datagram, unless its
 * socket was opened for runs of them.
 */
import type { AccessList } from '../core/access-list.ts';
import type { Carried } from '../core/offload/carried.ts';
import type { PrefixTallies } from '../core/offload/prefix-tallies.ts';
import type { LimitHits } from '../core/limit-hits.ts';
import type { UnreportedTraffic } from '../core/peer-traffic.ts';
import type { ServerLimits } from '../core/server/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';

export type { Entropy } from '../core/entropy.ts';

/** Datagrams received in one batch; valid until the callback returns. */
export interface DatagramBatch {
  readonly count: number;
  readonly buffer: Uint8Array;
  /** Where each payload starts in `buffer`. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  /** IPv4 sources, in host order. */
  readonly addresses: Uint32Array;
  readonly ports: Uint16Array;
  /** TOS octets of the IPv4 packets that brought them: DSCP and ECN. 0 if the system does not report it. */
  readonly tos: Uint8Array;
}

/** IPv6 packets read from a tunnel interface in one batch; valid until the callback returns. */
export interface PacketBatch {
  readonly count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
}

/** Number of failures by the error's name (`EAGAIN`, `ENETUNREACH` ...). Failures never stop a port. */
export type FailureCounters = Readonly<Record<string, number>>;

export interface UdpCounters {
  readonly receivedDatagrams: number;
  readonly receivedBytes: number;
  /** Datagrams that the kernel dropped because the socket was full. */
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
  /** Stops and releases the socket. Datagrams that are queued and not flushed are lost. Harmless when repeated. */
  close(): void;
}

export interface Udp extends UdpReceiver {
  /**
   * Same as for a receiver. `onRefused` gets each datagram `buffer[offset, offset + length)` that the host's own rules or routes have
   * refused to send. It is called inside {@link flush}; the bytes are valid until it returns.
   */
  start(
    onDatagrams: (batch: DatagramBatch) => void,
    onRefused?: (buffer: Uint8Array, offset: number, length: number) => void,
  ): void;
  /**
   * Queues one datagram; flushes first if the queue is full. The bytes are copied at once, except those of a batch that is being delivered:
   * these must not change until {@link flush}, which has to be called before the callback returns.
   */
  send(buffer: Uint8Array, offset: number, length: number, address: Ipv4, port: number): void;
  /** Sends the queued datagrams. A refusal by the kernel is counted, never thrown. */
  flush(): void;
  /** For a socket opened for runs of datagrams: sets whether the kernel merges datagrams from now on. At first it does. */
  mergeRuns(on: boolean): void;
}

export interface TunCounters {
  readonly readPackets: number;
  readonly readBytes: number;
  /** Packets and super-packets that had waited long, and were marked (ECN). */
  readonly markedPackets: number;
  readonly writtenPackets: number;
  readonly writtenBytes: number;
  readonly readFailures: FailureCounters;
  /** Packets that the kernel refused, by reason. */
  readonly writeFailures: FailureCounters;
}

export interface Tun {
  /** The interface's name, as the kernel gave it. */
  readonly name: string;
  readonly counters: TunCounters;
  /** Begins to read; called once. `onLost` is called at most once, if another process removed the interface; the port is then closed. */
  start(onPackets: (batch: PacketBatch) => void, onLost: (error: Error) => void): void;
  /** Hands one IPv6 packet to the host. Same rule for its bytes as in {@link Udp.send}. */
  write(buffer: Uint8Array, offset: number, length: number): void;
  flush(): void;
  /**
   * Closes the device. Packets that were read and not delivered yet are delivered before, unless a batch is being delivered. The interface, its
   * addresses and its routes go with it. Harmless when repeated.
   */
  close(): void;
}

/** Sends whole IPv6 packets, with a header whose source may be foreign, along the host's routes. */
export interface RawIpv6 {
  /** Failures of {@link send} by reason. */
  readonly failures: FailureCounters;
  /** Whether the kernel took the packet. The bytes are not needed afterwards. */
  send(buffer: Uint8Array, offset: number, length: number): boolean;
  close(): void;
}

/** Packets that a kernel path has carried. Times are those of the {@link Clock}. Valid until the callback returns. */
export type { Carried as CarriedBatch } from '../core/offload/carried.ts';

export interface KernelPathHandlers {
  onCarried(batch: Carried): void;
  /** Only a relay's kernel path makes tallies. The batch is valid until this returns. */
  onTallies?(batch: PrefixTallies): void;
  /** All entries are gone, after a last report about them. Offer the peers again. */
  onReset(): void;
  /**
   * The kernel path has ended. The user path carries all packets from now on. The last calls of {@link KernelPathHandlers.onCarried} may come
   * later. Called at most once.
   */
  onLost(reason: Error): void;
}

/**
 * `none`: the user path carries all packets of the peer. `inward`: the kernel path carries packets from the peer only. `both`: it carries
 * packets from and to the peer.
 */
export type CarriedWay = 'none' | 'inward' | 'both';

/**
 * `unproven`: it is not yet known whether packets of the kernel path reach the peer; `unanswered`: the peer has not answered
 * the proofs; `refused`: the host's own rules refuse the socket's datagrams to the peer; `unseen`: the samples of the peer's datagrams
 * that are left to the socket do not reach it.
 */
export type CarriedReason = 'unproven' | 'unanswered' | 'refused' | 'unseen';

/** How far the kernel path carries the packets of a peer at the moment. */
export interface CarriedPath {
  readonly way: CarriedWay;
  /** Why no further. */
  readonly reason?: CarriedReason;
}

/** How the kernel path uses an interface by which peers are reached. */
export interface UplinkState {
  readonly interface: string;
  /** The kernel's name for its kind: `bridge`, `vlan` ...; empty for hardware. */
  readonly kind: string;
  readonly carried: 'all' | 'all-but-bulk' | 'none';
  /** Why the kernel path does not carry everything there. */
  readonly reason?: string;
  /** Whether datagrams are unwrapped in the driver (XDP). Absent if nothing is carried. */
  readonly xdp?: boolean;
  /** Why they are not. */
  readonly withoutXdp?: string;
  /** Whether TCP segments are merged after they have been unwrapped. Absent if nothing is carried. */
  readonly merging?: boolean;
  /** Why they are not. */
  readonly withoutMerging?: string;
}

/**
 * Whether a program in the driver of an interface (XDP) unwraps datagrams, or answers them at a server. `auto`: where the host's other traffic loses nothing by it; `on`: wherever
 * the driver can do it; `off`: nowhere.
 */
export const XDP_WISHES = ['auto', 'on', 'off'] as const;
export type XdpWish = (typeof XDP_WISHES)[number];

/**
 * Whether TCP segments are merged behind the programs at tc, in a pair of virtual interfaces. `auto`: where the interface by which they come merges packets,
 * too, and those to which they go on do not cut them again; `on`: wherever no program is in the driver; `off`: nowhere.
 */
export const MERGE_WISHES = ['auto', 'on', 'off'] as const;
export type MergeWish = (typeof MERGE_WISHES)[number];

/**
 * Carries packets of verified peers in the kernel. All other packets reach {@link Tun} and {@link Udp} as they would without it. The
 * handlers are never called inside a method, except where its description says so.
 */
export interface KernelPath {
  /**
   * Number of packets by outcome or reason; after the end, the final numbers. `carriedIn`, `carriedOut`, `carriedInBytes` and
   * `carriedOutBytes` are among them.
   */
  readonly counters: Readonly<Record<string, number>>;
  /** The number of peers in the kernel's table. */
  readonly size: number;
  /** The interfaces by which peers are reached; at most 32. */
  readonly uplinkStates: readonly UplinkState[];
  /** The host's rules for datagrams that could not be read, and why. The kernel path works without them. */
  readonly unknown?: string | undefined;
  /** Begins; called once. */
  start(handlers: KernelPathHandlers): void;
  /** Makes the way to this destination ready, if there is one, before a peer needs it: to attach programs there takes some 20 ms. Throws never. */
  makeReady?(destination: Ipv4): void;
  /** Sets a client's own address. Undefined: it has none, and nothing is carried. */
  setOwn(address: Ipv6 | undefined): void;
  /** Sets a relay's served range; the longest prefix decides. 2001::/32 is never in it. */
  setServed(prefixes: readonly Ipv6Prefix[]): void;
  /** Upsert; the bytes are copied at once. `localPort`: that of the socket by which the peer is reached, unless it is the service port. */
  offload(
    buffer: Uint8Array,
    offset: number,
    address: Ipv4,
    port: number,
    heardAtMs: number,
    localPort?: number,
  ): void;
  /** Harmless if the peer is not offered. */
  unload(buffer: Uint8Array, offset: number): void;
  /** A socket for single peers, with this port, is about to be closed: nothing is carried by it any more. */
  socketCloses(localPort: number): void;
  /** The host's own rules have refused a datagram of the socket to the peer whose IPv6 address is at `buffer[offset]`. */
  refused(buffer: Uint8Array, offset: number): void;
  pathOf(peer: Ipv6): CarriedPath;
  /** Packets of a peer that were carried, but not yet reported by {@link KernelPathHandlers.onCarried}. */
  unreported(peer: Ipv6): UnreportedTraffic;
  /** Reads all that are carried, some at each step, and calls back with the octets that are not reported; the bytes are valid until it returns. */
  unreportedOctets(see: (peer: Uint8Array, octets: number) => void): Generator<void>;
  /** Hands over due reports at once, of very many some: this method calls the handlers, and so do the next three. */
  reportPeers(): void;
  /** All reports that are due now, some at each step. */
  reportInTurns?(): Generator<void>;
  /** Due reports, of very many some, and the tallies. */
  report(): void;
  /** Removes all peers, and hands over the reports about them. */
  forget(): void;
  /** Carries out the queued offers; called once after each batch of inputs. */
  flush(): void;
  /** The kernel path of a predecessor still carries: {@link takeOver} replaces it. */
  readonly hasPredecessor?: boolean;
  /** All peers that the predecessor has left are offered: the programs of this process carry from now on. */
  takeOver?(): void;
  /** Packets are carried on after {@link close}, until a successor takes over. Hands over the due reports. */
  leave?(): void;
  /** As {@link close}, but the reports about all peers are handed over: about many, some of them later. */
  end(): void;
  /** Ends the kernel path. No handler is called after that. Harmless when repeated. */
  close(): void;
}

export interface KernelPathOptions {
  /** Name of the tunnel interface. */
  readonly tunnel: string;
  /** The address (0: any) and port to which the UDP socket is bound. */
  readonly local: Endpoint;
  readonly role: 'client' | 'relay';
  /** The most trusted peers. */
  readonly peers: number;
  /** Records the addresses that reach limits of proofs. */
  readonly limitHits?: LimitHits;
  /** Default `auto`. */
  readonly xdp?: XdpWish | undefined;
  /** Default `auto`. */
  readonly merge?: MergeWish | undefined;
  /** Whether packets from the tunnel go on to other hosts. Default false. */
  readonly forwards?: boolean | undefined;
}

/**
 * The parts of a server's work that the kernel does now. The rest, and all datagrams that are not in the plainest form, reach the server's
 * sockets.
 */
export interface ServerWork {
  readonly answers: boolean;
  readonly forwards: boolean;
  /** Why it does neither. */
  readonly reason?: string;
  /** The host's rules for datagrams that could not be read, and why. The kernel path works without them. */
  readonly unknown?: string;
}

/** Answers solicitations and forwards bubbles in the kernel, in their plainest forms. */
export interface ServerPath {
  /** By the names of the server's own counters; add them to those. */
  readonly counters: Readonly<Record<string, number>>;
  /** Links, addresses, routes or the firewall of the host have changed. */
  readonly work: ServerWork;
  /** Why no solicitation is answered in the drivers of interfaces (XDP); undefined: they are. */
  readonly withoutXdp?: string | undefined;
  /** Sets the only addresses that are served and forwarded to. May change {@link work}; `onChange` is not called for that. */
  setAccess(access: AccessList): void;
  /** Sets the limits; the counts stay. May throw a system error: some of the limits are then the earlier ones. */
  setLimits(limits: ServerPathOptions['limits']): void;
  /** Sets the function that is called after a change of {@link work}; never inside a method of this object. */
  start(onChange: () => void): void;
  /** The program works on after {@link close}, until a successor takes over. */
  leave?(): void;
  /** Ends the kernel path. Harmless when repeated. */
  close(): void;
}

export interface ServerPathOptions {
  /** The addresses of this host at which the datagrams arrive. */
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
  /** The same two addresses as clients know them. They differ behind a 1:1 NAT. */
  readonly announced: { readonly primary: Ipv4; readonly secondary: Ipv4 | undefined };
  /** The answer to solicitations: an IPv6 packet whose destination is filled in for each client. */
  readonly advertisement: Uint8Array;
  /** Whether solicitations are answered, or left to user space, as those with keys are. */
  readonly answers: boolean;
  readonly allowPrivate: boolean;
  readonly access: AccessList;
  readonly limits: Pick<ServerLimits, 'answers' | 'forwarded' | 'forwardedByPair'>;
  /** Whether solicitations may be answered in the drivers of interfaces, too. Default: `auto`. */
  readonly xdp?: XdpWish | undefined;
  /**
   * Number of datagrams, of the kinds that the kernel decides, that reached user space; without those whose answers the host's rules
   * refused.
   */
  readonly arrived: () => number;
  /** Records the addresses that reach the limits, after a second at most. */
  readonly limitHits?: LimitHits;
  /** Called after it has recorded an address. */
  readonly onLimit?: () => void;
}

/** The protocols for asking a gateway: RFC 6887, RFC 6886, UPnP IGD. */
export type PortMappingProtocol = 'pcp' | 'nat-pmp' | 'upnp';

/** A gateway forwards everything that arrives at this address and port of its own to a local port. */
export interface PortMapping {
  readonly protocol: PortMappingProtocol;
  readonly external: Endpoint;
  /** Infinity: the mapping lasts until it is released. */
  readonly lifetimeMs: number;
}

/** `silent`: a gateway that has mapped the port does not answer; the mapping stays. Undefined: there is no mapping (any more). */
export type MapAnswer = PortMapping | 'silent' | undefined;

export interface PortMapperOptions {
  /** The address and port to which the service socket is bound. */
  readonly local: Endpoint;
  /** The mapper asks the gateway on the way to this address. */
  readonly destination: Ipv4;
  /** File for the mappings that would have to be released. After a sudden end, the next process releases them. E-53 */
  readonly file?: string | undefined;
}

/** Asks the gateway of this host to open a port. No method rejects: most gateways open none. */
export interface PortMapper {
  /** Whether the gateway itself has answered in any protocol. Other hosts may answer later. */
  readonly asked: Promise<boolean>;
  /** Maps the port in the first protocol that works; undefined if none does. A further call renews the mapping. */
  map(): Promise<MapAnswer>;
  /** Whether this host lacked descriptors or memory for a request since the start: without them a gateway may be found later. */
  readonly hadShortage?: boolean;
  /**
   * Sets the function that is called when the gateway announces that it has restarted: its mappings are gone. It may be called several
   * times for one restart.
   */
  watch(onForgotten: () => void): void;
  /** Ends everything, including a {@link map} under way. If the gateway answers, nothing is left on it. */
  release(): Promise<void>;
}

export interface Clock {
  /** Milliseconds, with fractions, of a monotonic clock with an arbitrary start. */
  now(): number;
  /** Calls `fn` once, not before `now()` is `atMs`. If that is past, at once, but not inside this call. */
  setTimer(atMs: number, fn: () => void): CancelTimer;
  /**
   * Milliseconds for which the host has been suspended since some fixed time; {@link now} stood still meanwhile. Undefined if the host is
   * never suspended.
   */
  suspended?(): number;
}

/** Harmless when repeated or late. */
export type CancelTimer = () => void;

/** Passes state from one process of a role to the next, which a service manager starts in its place. */
export interface Handover {
  /** The state that the predecessor left, and the time since then; undefined: none, or none that is whole. Once: its memory is free afterwards. */
  takeLeft(): PredecessorState | undefined;
  /** Begins to replace the state for the successor, which gets the one before until the next one is whole. Of several that are begun the latest counts. `about`: how many octets it will have. May throw a system error. */
  replace(about?: number): NextState;
}

export interface PredecessorState {
  readonly state: Uint8Array;
  readonly agoMs: number;
}

/** A state that is being written. It counts as that of the moment at which it was begun. Its methods may throw system errors. */
export interface NextState {
  add(part: Uint8Array): void;
  end(): void;
}

/** Reports that the host's links, addresses or routes have changed. It does not say which, and may be called without a change. */
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
  /** Only for packets from this address. */
  readonly source?: Ipv6;
  /** A next hop on the interface's link. Without one the kernel keeps a neighbour entry for each destination, even on a tunnel. */
  readonly gateway?: Ipv6;
  /** The kernel's metric: the smallest is preferred. */
  readonly metric?: number;
}

export interface InterfaceAddress {
  readonly address: Ipv6;
  readonly prefixLength: number;
}

/** The IPv6 configuration of an interface. */
export interface TunnelState {
  readonly isUp: boolean;
  readonly addresses: readonly InterfaceAddress[];
  /** The routes into the interface, including those that the kernel made. */
  readonly routes: readonly Ipv6Route[];
}

/** Rules of the host's firewall for a tunnel interface. They end with {@link close}, and with the process. */
export interface TunnelRules {
  /**
   * Sets rules. Packets from the addresses `own` leave by no other interface. With `refuseInbound`, only answers to packets of the host
   * come in by the tunnel. On failure throws an EnvironmentError and leaves the previous rules in force.
   */
  set(own: readonly Ipv6[], refuseInbound: boolean): void;
  /** Harmless when repeated. */
  close(): void;
}

/** The addresses and routes of the host. */
export interface HostNetwork {
  /** IPv4 addresses of the interfaces that are up, without those in 127/8. */
  ipv4Subnets(): readonly Ipv4Subnet[];
  /** Global IPv6 addresses of the host, including those on `lo`, without site-scoped (fc00::/7, fec0::/10) and Teredo ones. */
  globalIpv6(): readonly Ipv6[];
  /** The local address from which datagrams to `destination` leave; undefined if there is no route. */
  sourceAddress(destination: Ipv4): Ipv4 | undefined;
  /** Whether this host forwards IPv6 packets between its interfaces. */
  forwardsIpv6(): boolean;
}

/**
 * The network namespace with the tunnel's interface: that of the host, or a private one (adr/0025). The methods that change something reject with
 * an EnvironmentError that names the failed step; await each before the next call.
 */
export interface TunnelHost {
  /**
   * Whether it has native IPv6: a default route that leads neither into `exceptInterface` nor into a Teredo client's tunnel, and a
   * global address that is neither site-scoped nor of Teredo or 6to4. The address may be on the route's interface or on `lo`; if the
   * route's interface has link-local addresses only, on any interface.
   */
  hasNativeIpv6(exceptInterface: string): boolean;
  /** The tunnel of another Teredo client, of any implementation, that has the default route. `exceptInterface` is the caller's own tunnel. */
  otherTeredoDefault(exceptInterface: string): string | undefined;
  /** The present configuration of an interface; undefined if none has that name. */
  tunnelState(name: string): TunnelState | undefined;
  /** Sets the MTU and takes the interface up, without a link-local address or router solicitations of the kernel. */
  setUpTunnel(name: string, mtu: number): Promise<void>;
  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  /** Harmless if the address is already gone, for example with the whole interface. */
  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  addRoute(name: string, route: Ipv6Route): Promise<void>;
  /** Harmless if the route is already gone. */
  removeRoute(name: string, route: Ipv6Route): Promise<void>;
}
