/**
 * The JSON of `teredo status`, `peers`, `reload`, `ready` and `drain`, of the control socket and of HTTP: the one declaration. packaging/schema/ and
 * docs/json.md are made from it (`npm run schema`). Fields are added, never changed: `version` would change when a field changes its meaning.
 */
import type { PeerMeans } from '../core/client/index.ts';
import type { ClientState, NatKind, QualificationReason } from '../core/events.ts';
import type { UserWindow } from '../core/users/index.ts';
import type { CarriedReason, CarriedWay } from '../io/ports.ts';
import type { PortHabit } from '../wire/index.ts';
import type {
  Count,
  EndpointText,
  Ipv4PrefixText,
  Ipv4Text,
  Ipv6PrefixText,
  Ipv6Text,
  Milliseconds,
  Octets,
  Packets,
  Part,
  Port,
  ProcessId,
  Seconds,
} from './units.ts';

/** The fields of every answer. */
export interface Answerer {
  /** The version of these objects. */
  readonly version: 1;
  /** The name of the daemon. */
  readonly name: string;
  /** Which network namespace the daemon runs in: `net:[...]`, as in /proc/PID/ns. */
  readonly networkNamespace: string;
}

/** The fields of every role. */
export interface DaemonStatus extends Answerer {
  /** Its process. */
  readonly pid: ProcessId;
  /** Since the start of the process. */
  readonly uptimeSeconds: Seconds;
  /** Path of the configuration file; absent where the daemon was started without one. */
  readonly file?: string;
  /** Whether the contents of that file are in force; absent without a file. */
  readonly configuration?: ConfigurationStatus;
  /** Names of the limits that were reached within the last minute; the log has the addresses. */
  readonly limitsReached: readonly string[];
  /** Packets by verdict and reason; behind them refusals and losses of the system, as `udpSendFailures.ENOBUFS`. */
  readonly counters: Readonly<Record<string, Count>>;
  /** For people; the words may change. Absent of an earlier version. */
  readonly inWords?: StateInWords;
}

/** Whether a role works, as `teredo status` says it. */
export interface StateInWords {
  /** It can serve: the verdict of `teredo ready`. */
  readonly ready: boolean;
  /** The state. */
  readonly state: string;
  /** Why the state is not a better one. */
  readonly reason?: string;
  /** A step that its user can take. */
  readonly advice?: string;
}

/** How far the present contents of a configuration file are in force. */
export interface ConfigurationStatus {
  /** None of the following. */
  readonly inForce: boolean;
  /** The file, or one of keys, secret or token that it names, has been written or has gone since the daemon has read it. */
  readonly changedSinceRead: boolean;
  /** The last reload has failed: the log and the answer to it have the reason. */
  readonly refused: boolean;
  /** Options whose new values wait for a restart. */
  readonly needRestart: readonly string[];
}

/** How an interface by which peers are reached is used. */
export interface UplinkStatus {
  /** Its name. */
  readonly interface: string;
  /** The kernel's name for its kind: `bridge`, `vlan` ...; empty for hardware. */
  readonly kind: string;
  /** How much the kernel carries. */
  readonly carried: 'all' | 'all-but-bulk' | 'none';
  /** Why it is not all, in words. */
  readonly reason?: string;
  /** Whether datagrams are unwrapped in its driver (XDP). Absent if nothing is carried. */
  readonly xdp?: boolean;
  /** Why they are not, in words. */
  readonly withoutXdp?: string;
  /** Whether TCP segments are merged after they have been unwrapped at tc. Absent if nothing is carried. */
  readonly merging?: boolean;
  /** Why they are not, in words. */
  readonly withoutMerging?: string;
}

/** Peers and traffic carried by the kernel. */
export interface CarriedTraffic extends Traffic {
  /** Peers that the kernel carries packets of now; 0 while the kernel path is not in use. */
  readonly peers: Count;
}

/** The data path of the packets of verified peers; of a server, the one that answers solicitations and forwards bubbles. */
export interface DataPath {
  /** The path in use. */
  readonly inUse: 'user' | 'kernel';
  /**
   * Why it is not the kernel, in words; absent where the user path was asked for. Of a server with the kernel: which rules of its host are unknown.
   */
  readonly reason?: string;
  /** The part of the kernel since the start; none of it is in `counters` of the daemon. Absent of a server, and before the first use of the path. */
  readonly carried?: CarriedTraffic;
  /** The interfaces by which peers are reached. Absent while the kernel path is not in use, and of a server. */
  readonly uplinks?: readonly UplinkStatus[];
  /** Packets in the kernel by verdict and reason. */
  readonly counters?: Readonly<Record<string, Count>>;
}

/** The port that a gateway has opened for a client. */
export interface PortMapping {
  /** The protocol by which the gateway was asked. */
  readonly protocol: 'pcp' | 'nat-pmp' | 'upnp';
  /** IPv4 address and port of the gateway that lets all hosts in. */
  readonly external: EndpointText;
  /** How long the gateway keeps it without a renewal; absent: until it is released. */
  readonly lifetimeSeconds?: Seconds;
}

/** Which IPv4 addresses a server or relay serves; how often one was refused is in `counters`, as `droppedDenied`. */
export interface AccessStatus {
  /** How many prefixes there are, allowed and denied. */
  readonly prefixes: Count;
  /** Those that are served. */
  readonly allow: readonly Ipv4PrefixText[];
  /** Those that are refused. */
  readonly deny: readonly Ipv4PrefixText[];
  /** The verdict on addresses that no prefix matches. */
  readonly default: 'allow' | 'deny';
}

/** IPv6 packets of the hosts to and from peers, and octets of them, on both data paths. Of a super-packet the headers count once. */
export interface Traffic {
  /** Packets from peers. */
  readonly receivedPackets: Packets;
  /** Octets of these packets. */
  readonly receivedBytes: Octets;
  /** Packets to peers. */
  readonly sentPackets: Packets;
  /** Octets of these packets. */
  readonly sentBytes: Octets;
}

/** Entries of the peer table. */
export interface PeerCounts {
  /** Peers that have proven themselves. */
  readonly trusted: Count;
  /** Peers that have not. */
  readonly unverified: Count;
}

/** The server that a client uses. */
export interface ServerInUse {
  /** Its name as it was given; its address where it was given so. */
  readonly name: string;
  /** Its primary address. */
  readonly address: Ipv4Text;
  /** Of the last answered solicitation; absent before the first. */
  readonly roundTripMs?: Milliseconds;
}

/** A client. */
export interface ClientStatus extends DaemonStatus {
  /** Its role. */
  readonly role: 'client';
  /** Whether the service may be used. */
  readonly state: ClientState;
  /** How long it has been in this state. */
  readonly stateSeconds: Seconds;
  /** The cause of the state; absent while qualified. */
  readonly reason?: QualificationReason;
  readonly nat: NatKind;
  /** Absent before a server was chosen. */
  readonly server?: ServerInUse;
  /** The Teredo address of this host; absent while it has none. */
  readonly address?: Ipv6Text;
  /** IPv4 address and port that the NAT shows to the server; absent while unknown. */
  readonly mapped?: EndpointText;
  /** The local UDP port. */
  readonly port: Port;
  /** Absent where no gateway has mapped the port. */
  readonly portMapping?: PortMapping;
  /** Name of the tunnel interface; empty where there is none. */
  readonly interface: string;
  /** Whether the default route leads through the tunnel. */
  readonly defaultRoute: boolean;
  /** Whether packets that no packet of this host has asked for come in; absent of an earlier version. */
  readonly inbound?: 'accept' | 'refuse';
  /** How often the mapping of the NAT is refreshed. */
  readonly refreshIntervalSeconds: Seconds;
  readonly peers: PeerCounts;
  /** Since the start. */
  readonly traffic: Traffic;
  /** The threads that share the peers, the first one first; absent of a client with one. All other fields are of all together. */
  readonly workers?: readonly ClientWorkerStatus[];
  readonly dataPath: DataPath;
}

/** A thread that has some of the peers of a client, in both directions. */
export interface ClientWorkerStatus {
  /** From peers and servers. */
  readonly receivedDatagrams: Count;
  /** From this host. */
  readonly receivedPackets: Count;
}

/** A thread that does a part of the work. */
export interface WorkerStatus {
  /** All datagrams of a source address are received by the same worker. */
  readonly receivedDatagrams: Count;
}

/** A thread that has some of the clients of a relay, in both directions. */
export interface RelayWorkerStatus {
  /** From clients. */
  readonly receivedDatagrams: Count;
  /** From hosts. */
  readonly receivedPackets: Count;
}

/** A server. */
export interface ServerStatus extends DaemonStatus {
  /** Its role. */
  readonly role: 'server';
  /** The server works. */
  readonly state: 'running';
  /** Its primary address. */
  readonly address: Ipv4Text;
  /** Its secondary address; absent of a server with one address. */
  readonly secondary?: Ipv4Text;
  /** The primary address that clients know it by, where a NAT translates its own to it. */
  readonly announced?: Ipv4Text;
  /** The secondary address that clients know it by, where a NAT translates its own to it. */
  readonly announcedSecondary?: Ipv4Text;
  /** Whether it has keys for secure qualification. */
  readonly secure: boolean;
  /** The threads that share the work of the process, the first one first; absent of a server with one. All other fields are of all together. */
  readonly workers?: readonly WorkerStatus[];
  readonly access: AccessStatus;
  /** The kernel's work is in `counters` of the server, too. */
  readonly dataPath: DataPath;
  /** Whether solicitations are answered in the drivers of interfaces (XDP), too; absent where the kernel answers none. */
  readonly xdp?: boolean;
  /** Why they are not, in words. */
  readonly withoutXdp?: string;
}

/** A relay or host-specific relay. */
export interface RelayStatus extends DaemonStatus {
  /** Its role. */
  readonly role: 'relay' | 'host-relay';
  /** `draining`: its announcement is withdrawn, and it is to end; it still carries packets. */
  readonly state: 'running' | 'draining';
  /** How long it has been in this state; absent of an earlier version. */
  readonly stateSeconds?: Seconds;
  /** Its own address. */
  readonly address: Ipv4Text;
  /** The address that clients know it by, where a NAT translates its own to it. */
  readonly announced?: Ipv4Text;
  /** The local UDP port. */
  readonly port: Port;
  /** Name of the tunnel interface. */
  readonly interface: string;
  /** The native prefixes that it serves; of a host-specific relay `this host`. */
  readonly serves: readonly string[];
  /** Whether the host forwards IPv6, without which a relay serves only the host; absent of a host-specific relay, and where it cannot be read. */
  readonly forwards?: boolean;
  readonly access: AccessStatus;
  readonly peers: PeerCounts;
  /** Since the start. */
  readonly traffic: Traffic;
  /** The threads that share the clients, the first one first; absent of a relay with one. All other fields are of all together. */
  readonly workers?: readonly RelayWorkerStatus[];
  /** The client with the most octets of the last minute; absent where there were none, and of a relay with several workers. */
  readonly largestPeer?: HeavyPeer;
  /** The native prefix with the most octets of the last minute; absent where there were none, and of a relay with several workers. */
  readonly largestPrefix?: HeavyPrefix;
  readonly dataPath: DataPath;
}

/** A user of a relay in a window of time: octets of IPv6 packets, on both data paths. */
export interface HeavyUser {
  /** Received from it. */
  readonly receivedBytes: Octets;
  /** Sent to it. */
  readonly sentBytes: Octets;
  /** The most by which the sum of both is wrong; exceeded in less than 1 of 100 cases where the octets of prefixes are estimated. */
  readonly errorBytes: Octets;
  /** Its part of the octets of all users of its kind. */
  readonly share: Part;
}

/** A client of a relay. */
export interface HeavyPeer extends HeavyUser {
  /** Its IPv6 address. */
  readonly address: Ipv6Text;
  /** The IPv4 address and port in its address. */
  readonly mapped: EndpointText;
}

/** Native hosts of a /64 prefix. */
export interface HeavyPrefix extends HeavyUser {
  /** The prefix. */
  readonly prefix: Ipv6PrefixText;
}

/** `teredo users --json`: the clients and native prefixes of a relay with the most traffic. */
export interface UsersStatus extends Answerer {
  readonly window: UserWindow;
  /** How long the window is: as its name says or a little longer; shorter after the start. */
  readonly windowSeconds: Seconds;
  /** Whether no count has an error, and no user is missing. */
  readonly exact: boolean;
  /** The octets of all clients. */
  readonly totalBytes: Octets;
  /** The most octets of a client that is not counted. */
  readonly missedPeerBytes: Octets;
  /** The most octets of a prefix that is not counted. */
  readonly missedPrefixBytes: Octets;
  /** Those with the most octets first. */
  readonly peers: readonly HeavyPeer[];
  /** Those with the most octets first. Two clients that meet have none. */
  readonly prefixes: readonly HeavyPrefix[];
}

/** `teredo status --json`: a daemon, by its role. */
export type RoleStatus = ClientStatus | ServerStatus | RelayStatus;

/** An event of the log: `/events`. docs/guide/log.md has the names and their fields. */
export interface EventStatus {
  /** Counts from 1 since the start of the process. */
  readonly id: Count;
  /** Date and time, UTC. @format date-time */
  readonly time: string;
  /** How important it is. */
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  /** Its name. */
  readonly event: string;
  /** In words, which may change. */
  readonly message: string;
  /** Its data. */
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

/** A peer; its traffic is that since it is known. */
export interface PeerStatus extends Traffic {
  /** Its IPv6 address. */
  readonly address: Ipv6Text;
  /** IPv4 address and port its packets go to; absent while unknown. */
  readonly mapped?: EndpointText;
  /** It has proven itself. */
  readonly trusted: boolean;
  /** Absent of an unverified peer, and of a relay's peers. */
  readonly means?: PeerMeans;
  /** It is on the same link (local discovery). */
  readonly local: boolean;
  /** Its packets may be carried by the kernel. */
  readonly offloaded: boolean;
  readonly carried: CarriedWay;
  /** Why the kernel carries no more; absent where nothing is known, or nothing is missing. */
  readonly carriedReason?: CarriedReason;
  /** Age of the last packet from it; absent where there was none. */
  readonly receivedSecondsAgo?: Seconds;
  /** Age of the last packet to it; absent where there was none. */
  readonly sentSecondsAgo?: Seconds;
}

/** `teredo peers --json`: the peers of a client or relay. */
export interface PeersStatus extends Answerer {
  /** How many there are, of which `peers` shows the first. */
  readonly total: Count;
  /** In the order of the table, if no other was asked for. */
  readonly peers: readonly PeerStatus[];
  /** Over HTTP, of peers in an order: for `&after=` of the next question, which shows those behind these. Absent where there are none. */
  readonly next?: string;
}

/** How far a client has come in finding a way to a peer, for `teredo ping --until-direct`. */
export interface ContactStatus extends Answerer {
  /** Whether the client is qualified; if not, nothing is known about the peer. */
  readonly qualified: boolean;
  /** The peer: heard within 30 s, trusted but silent for longer, a contact under way, unverified, not in the table. */
  readonly state: 'valid' | 'stale' | 'contacting' | 'unverified' | 'unknown';
  /** Rounds of bubbles of the contact under way. */
  readonly attempts: Count;
  /** IPv4 address and port its packets go to; absent while unknown. */
  readonly mapped?: EndpointText;
  /** Absent while it is not reached. */
  readonly means?: PeerMeans | undefined;
  /** The client has a relay of its user, via which peers may be reached (--meet). */
  readonly mayMeet: boolean;
  /** Its bubble has come by way of the client's server: both servers work. */
  readonly isHeardThroughServer: boolean;
  /** How the client's NAT assigns ports; absent while the client is not qualified. */
  readonly ownPorts?: PortHabit;
  /** How the peer's NAT assigns ports; absent where the peer has not said so. */
  readonly peerPorts?: PortHabit | undefined;
  /** External port that the client expects of its NAT for this peer. */
  readonly expectedPort?: Port | undefined;
  /** External port that the peer expects of its NAT. */
  readonly peerExpectedPort?: Port | undefined;
  /** An Echo Test is under way (RFC 6081). */
  readonly isTesting: boolean;
  /** Guesses of ports (docs/adr/0016). `hopeless`: both have reported how their NATs assign ports, and no number of guesses would be enough. */
  readonly guess: 'none' | 'offered' | 'agreed' | 'hopeless';
  /** To this peer, in the guess under way. */
  readonly guessesSent: Count;
}

/** A value that a reload has changed, or would have changed; as it is written in a file. */
export interface ChangedOption {
  /** The key in the file. */
  readonly option: string;
  /** Its value before the reload. Of a file with other contents under the same path: a note that says so. */
  readonly before: string;
  /** Its value in the file. */
  readonly after: string;
}

/** `teredo reload --json`: the result of a reload. */
export interface ReloadStatus extends Answerer {
  /** Path of the configuration file. */
  readonly file: string;
  /** In force now. */
  readonly changed: readonly ChangedOption[];
  /** They keep their old values until the daemon is started again. */
  readonly needRestart: readonly ChangedOption[];
}

/** The answer of `teredo ready`. */
export interface ReadyStatus {
  /** The version of this object. */
  readonly version: 1;
  /** All daemons that were asked have answered and can serve: exit status 0. */
  readonly ready: boolean;
  /** Those that have answered. */
  readonly daemons: readonly DaemonReadiness[];
  /** Why others have given no answer, a sentence each. */
  readonly failures: readonly string[];
}

/** Whether one daemon can serve. */
export interface DaemonReadiness extends Answerer {
  /** Its role. */
  readonly role: 'client' | 'server' | 'relay' | 'host-relay';
  /** It can serve. */
  readonly ready: boolean;
  /** The state and its reason, for people; the words may change. */
  readonly words: string;
  /** The same words where it cannot serve; absent where it can. */
  readonly reason?: string;
}

/** The answer of `teredo drain`. */
export interface DrainStatus extends Answerer {
  /** The announcement is withdrawn. */
  readonly state: 'draining';
  /** They are still served. */
  readonly peers: PeerCounts;
}
