/**
 * What a machine's driver needs of the world, as types. Each port has an adapter over the kernel and one in memory
 * (memory-*.ts), and both pass the same contract tests.
 *
 * Batches are lent: their arrays and bytes are overwritten as soon as the callback has returned. Every packet has HEADROOM
 * (core/machine.ts) writable bytes before its offset, so that a header fits in front without a copy; so has every datagram,
 * unless its socket was opened for runs of them.
 */
import type { AccessList } from '../core/access-list.ts';
import type { Carried } from '../core/offload/carried.ts';
import type { LimitHits } from '../core/limit-hits.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import type { ServerLimits } from '../core/server/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';

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
  /** TOS octets of the IPv4 packets that brought them: DSCP and ECN. 0 where the system does not tell. */
  readonly tos: Uint8Array;
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
   * As of a receiver. `onRefused` is shown each datagram `buffer[offset, offset + length)` that the host's own rules or routes have refused
   * to send, from inside {@link flush}; the bytes are valid inside the call.
   */
  start(
    onDatagrams: (batch: DatagramBatch) => void,
    onRefused?: (buffer: Uint8Array, offset: number, length: number) => void,
  ): void;
  /**
   * Queue one datagram, flushing first when the queue is full. The bytes are copied at once, except those of a batch
   * being delivered: they must stay as they are until {@link flush}, which then is due before the callback returns.
   */
  send(buffer: Uint8Array, offset: number, length: number, address: Ipv4, port: number): void;
  /** Sends what is queued. What the kernel refuses is counted, never thrown. */
  flush(): void;
  /** Of a socket opened for runs of datagrams: whether the kernel merges them from now on. It does at first. */
  mergeRuns(on: boolean): void;
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

/** What a kernel path has carried; times are those of the {@link Clock}. Valid until the callback returns. */
export type { Carried as CarriedBatch } from '../core/offload/carried.ts';

export interface KernelPathHandlers {
  onCarried(batch: Carried): void;
  /** All entries are gone, after a last report of them: offer anew. */
  onReset(): void;
  /** It has ended, after {@link KernelPathHandlers.onCarried} of what there was; the user path from now on. At most once. */
  onLost(reason: Error): void;
}

/** How far the packets of a peer are carried at the moment. */
export interface CarriedPath {
  /**
   * `none`: everything of the peer goes by the process. `inward`: what the peer sends is carried, what goes to it is not. `both`: it is, too.
   */
  readonly way: 'none' | 'inward' | 'both';
  /**
   * Why it is no further. `unproven`: the peer has not been asked yet whether what this path sends arrives; `unanswered`: it was asked, and has
   * not answered; `refused`: the host's own rules refuse the socket's datagrams to it; `unseen`: the socket does not receive the datagrams of the
   * peer that are left to it.
   */
  readonly reason?: 'unproven' | 'unanswered' | 'refused' | 'unseen';
}

/** How an interface is used by which peers are reached. */
export interface UplinkState {
  readonly interface: string;
  /** The kernel's name for its kind: `bridge`, `vlan` ...; empty for hardware. */
  readonly kind: string;
  readonly carried: 'all' | 'all-but-bulk' | 'none';
  /** Why it is not all, in words. */
  readonly reason?: string;
}

/**
 * Carries packets of verified peers in the kernel. What it does not recognise comes through {@link Tun} and {@link Udp} as
 * it would without. The handlers are never called from inside one of its methods but those that say so.
 */
export interface KernelPath {
  /**
   * How often what was done or not done, by reason, up to now, or to its end. `carriedIn`, `carriedOut`, `carriedInBytes` and `carriedOutBytes`
   * are among them.
   */
  readonly counters: Readonly<Record<string, number>>;
  /** Peers in the kernel's table now. */
  readonly size: number;
  /** The interfaces by which peers are reached; at most 32. */
  readonly uplinkStates: readonly UplinkState[];
  /** What this host could not be asked about its rules for datagrams, and why; the kernel works all the same. */
  readonly unknown?: string | undefined;
  /** Begins; called once. */
  start(handlers: KernelPathHandlers): void;
  /** A client's own address (undefined: none, nothing is carried). */
  setOwn(address: Ipv6 | undefined): void;
  /** A relay's served range: longest prefix wins. 2001::/32 never is in it. */
  setServed(prefixes: readonly Ipv6Prefix[]): void;
  /** Upsert; the bytes are copied at once. */
  offload(buffer: Uint8Array, offset: number, address: Ipv4, port: number, heardAtMs: number): void;
  /** Harmless where there is no such peer. */
  unload(buffer: Uint8Array, offset: number): void;
  /** The host's own rules have refused a datagram of the socket to the peer whose IPv6 address stands at `buffer[offset]`. */
  refused(buffer: Uint8Array, offset: number): void;
  pathOf(peer: Ipv6): CarriedPath;
  /** What was carried of a peer, and has not been handed over to {@link KernelPathHandlers.onCarried} yet. */
  unreported(peer: Ipv6): PeerTraffic;
  /** Hands over at once what is due for it: the handler is called from inside this method, and of {@link forget}. */
  report(): void;
  /** Takes all peers out, and hands over what was carried of them. */
  forget(): void;
  /** Carries out what was queued; called once after each batch of inputs. */
  flush(): void;
  /** Ends it; harmless when repeated. No handler is called any more. */
  close(): void;
}

export interface KernelPathOptions {
  /** Name of the tunnel interface. */
  readonly tunnel: string;
  /** What the UDP socket is bound to: address (0: any) and port. */
  readonly local: Endpoint;
  readonly role: 'client' | 'relay';
  /** Trusted peers at the most. */
  readonly peers: number;
  /** Gets by whom limits of proofs are reached. */
  readonly limitHits?: LimitHits;
}

/** What of a server's work the kernel does now. The rest, and all that is not plain, comes to the server's sockets. */
export interface ServerWork {
  readonly answers: boolean;
  readonly forwards: boolean;
  /** Why it does neither. */
  readonly reason?: string;
  /** What this host could not be asked about its rules for datagrams, and why; the kernel works all the same. */
  readonly unknown?: string;
}

/** Answers solicitations and forwards bubbles in the kernel, in their plainest forms. */
export interface ServerPath {
  /** By the names of the server's own counters, which they add to. */
  readonly counters: Readonly<Record<string, number>>;
  /** Links, addresses, routes and the firewall of the host decide about it. */
  readonly work: ServerWork;
  /** From now on only these addresses are served and forwarded to. May change {@link work}, of which `onChange` does not tell. */
  setAccess(access: AccessList): void;
  /** From now on `onChange` is called when {@link work} has changed; never from inside a method of this. */
  start(onChange: () => void): void;
  /** Ends it; harmless when repeated. */
  close(): void;
}

export interface ServerPathOptions {
  /** This host's, to which the datagrams come. */
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
  /** The same two as clients know them; others behind a 1:1 NAT. */
  readonly announced: { readonly primary: Ipv4; readonly secondary: Ipv4 | undefined };
  /** What solicitations are answered with: an IPv6 packet whose destination is yet to be filled in. */
  readonly advertisement: Uint8Array;
  /** Whether solicitations are answered at all, or left to user space, as those with keys. */
  readonly answers: boolean;
  readonly allowPrivate: boolean;
  readonly access: AccessList;
  readonly limits: Pick<ServerLimits, 'answers' | 'forwarded' | 'forwardedByPair'>;
  /** How many datagrams of the kinds that the kernel decides user space has had, less those whose answers the host's rules refused. */
  readonly arrived: () => number;
  /** Gets by whom the limits are reached, a second later at the most. */
  readonly limitHits?: LimitHits;
  /** Called when it has got some. */
  readonly onLimit?: () => void;
}

/** What a gateway is asked in: RFC 6887, RFC 6886, UPnP IGD. */
export type PortMappingProtocol = 'pcp' | 'nat-pmp' | 'upnp';

/** A gateway lets in whatever comes to this pair of its own, and gives it to a local port. */
export interface PortMapping {
  readonly protocol: PortMappingProtocol;
  readonly external: Endpoint;
  /** Infinity: until it is released. */
  readonly lifetimeMs: number;
}

/** `silent`: a gateway that has mapped the port does not answer; what it has mapped holds on. Undefined: there is none (any more). */
export type MapAnswer = PortMapping | 'silent' | undefined;

export interface PortMapperOptions {
  /** What the service socket is bound to. */
  readonly local: Endpoint;
  /** The gateway on the way there is asked. */
  readonly destination: Ipv4;
  /** Keeps what would have to be released in a file, for who comes after a sudden end. E-53 */
  readonly file?: string | undefined;
}

/** Asks the gateway of this host to open a port. Nothing here rejects: most gateways don't. */
export interface PortMapper {
  /** Whether the gateway itself has answered, in any way; the answers of others, if any, may come later. */
  readonly asked: Promise<boolean>;
  /** By the first protocol in which there is one; undefined where there is none. Called again it renews. */
  map(): Promise<MapAnswer>;
  /** From now on it is told when the gateway says that it has begun anew: its mappings are gone then. Many times, perhaps. */
  watch(onForgotten: () => void): void;
  /** Ends all of it, a {@link map} that is under way too; nothing is left on the gateway, if it answers. */
  release(): Promise<void>;
}

export interface Clock {
  /** Milliseconds of a monotonic clock that starts anywhere; with fractions. */
  now(): number;
  /** Calls `fn` once, not before `now()` is `atMs`; at once (but not from inside this call) when that is past. */
  setTimer(atMs: number, fn: () => void): CancelTimer;
  /** Milliseconds for which the host has been suspended since some time: {@link now} stood still meanwhile. Undefined where it never is. */
  suspended?(): number;
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
  /** Only for packets from this address. */
  readonly source?: Ipv6;
  /** A next hop on the interface's link. Without one the kernel keeps a neighbour entry for each destination, tunnel or not. */
  readonly gateway?: Ipv6;
  /** The kernel's metric: the smaller one wins. */
  readonly metric?: number;
}

export interface InterfaceAddress {
  readonly address: Ipv6;
  readonly prefixLength: number;
}

/** What an interface has of IPv6. */
export interface TunnelState {
  readonly isUp: boolean;
  readonly addresses: readonly InterfaceAddress[];
  /** Those that lead into it, the kernel's own among them. */
  readonly routes: readonly Ipv6Route[];
}

/** Rules of the host's firewall for a tunnel interface. They end with {@link close}, and with the process. */
export interface TunnelRules {
  /**
   * From now on nothing from the addresses `own` leaves by another interface; with `refuseInbound` only answers to what the host has sent
   * come in by the tunnel. Throws an EnvironmentError, and leaves what was set before.
   */
  set(own: readonly Ipv6[], refuseInbound: boolean): void;
  /** Harmless when repeated. */
  close(): void;
}

/**
 * The host's addresses, routes and interfaces. The methods that change something reject with an EnvironmentError that says
 * which step failed; one has to be over before the next begins.
 */
export interface HostNetwork {
  /** IPv4 addresses of the interfaces that are up, those of 127/8 left out. */
  ipv4Subnets(): readonly Ipv4Subnet[];
  /** Global IPv6 addresses of the host, on `lo` too; those of a site only (fc00::/7, fec0::/10) and Teredo ones left out. */
  globalIpv6(): readonly Ipv6[];
  /** The local address that datagrams to `destination` leave from; undefined where there is no route. */
  sourceAddress(destination: Ipv4): Ipv4 | undefined;
  /**
   * Whether a default route over IPv6 exists that leads neither into `exceptInterface` nor into a Teredo client's tunnel, and
   * an address of the native Internet (not of a site only, of Teredo or of 6to4) on the route's interface or on `lo`; or on any third one where the
   * route's interface has link-local addresses only.
   */
  hasNativeIpv6(exceptInterface: string): boolean;
  /** The tunnel of another Teredo client, of whatever make, that has the default route; `exceptInterface` is our own. */
  otherTeredoDefault(exceptInterface: string): string | undefined;
  /** Whether this host forwards IPv6 packets between its interfaces. */
  forwardsIpv6(): boolean;
  /** What an interface has now; undefined where there is none of that name. */
  tunnelState(name: string): TunnelState | undefined;
  /** Sets the MTU and takes the interface up; no link-local address or router solicitation of the kernel's own. */
  setUpTunnel(name: string, mtu: number): Promise<void>;
  addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  /** Harmless when it is gone already, as when the whole interface is. */
  removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void>;
  addRoute(name: string, route: Ipv6Route): Promise<void>;
  /** Harmless when it is gone already. */
  removeRoute(name: string, route: Ipv6Route): Promise<void>;
}
