/** The stable JSON of `teredo status` and `teredo peers`; `version` changes when a field changes its meaning. */
import type { PeerMeans } from '../core/client/index.ts';
import type { ClientState, NatKind, QualificationReason } from '../core/events.ts';
import type { CarriedPath } from '../io/ports.ts';

export interface DaemonStatus {
  readonly version: 1;
  readonly name: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  /** Which network namespace it runs in: `net:[...]`, as in /proc/PID/ns. */
  readonly networkNamespace: string;
  /** The configuration file; absent of a daemon that was started without one. */
  readonly file?: string;
  /** Names of the limits that were reached within the last minute; the log has the addresses. */
  readonly limitsReached: readonly string[];
  /** Packets by verdict and reason; behind them refusals and losses of the system, as `udpSendFailures.ENOBUFS`. */
  readonly counters: Readonly<Record<string, number>>;
  /** For people; the words may change. Absent of an earlier version. */
  readonly inWords?: StateInWords;
}

/** Whether a role works, as `teredo status` says it. */
export interface StateInWords {
  /** It can serve: the verdict of `teredo ready`. */
  readonly ready: boolean;
  readonly state: string;
  /** Why the state is not a better one. */
  readonly reason?: string;
  /** A step that its user can take. */
  readonly advice?: string;
}

/** How an interface by which peers are reached is used. */
export interface UplinkStatus {
  readonly interface: string;
  /** The kernel's name for its kind: `bridge`, `vlan` ...; empty for hardware. */
  readonly kind: string;
  /** How much the kernel carries: `all`, `all-but-bulk` or `none`. */
  readonly carried: 'all' | 'all-but-bulk' | 'none';
  /** Why it is not all, in words. */
  readonly reason?: string;
}

/** The data path of the packets of verified peers. */
export interface DataPath {
  readonly inUse: 'user' | 'kernel';
  /** Why it is not the kernel; absent where the user path was asked for. Of a server with the kernel: which rules of its host are unknown. */
  readonly reason?: string;
  /** Peers and traffic carried by the kernel: none of it is in `counters` of the daemon. */
  readonly carried?: {
    readonly peers: number;
    readonly receivedPackets: number;
    readonly receivedBytes: number;
    readonly sentPackets: number;
    readonly sentBytes: number;
  };
  /** Absent where the kernel carries nothing. */
  readonly uplinks?: readonly UplinkStatus[];
  /** Packets in the kernel by verdict and reason. */
  readonly counters?: Readonly<Record<string, number>>;
}

/** The port that a gateway has opened for a client. */
export interface PortMapping {
  readonly protocol: 'pcp' | 'nat-pmp' | 'upnp';
  /** IPv4 address and port of the gateway that lets all hosts in. */
  readonly external: string;
  /** Absent: until it is released. */
  readonly lifetimeSeconds?: number;
}

/** Which IPv4 addresses a server or relay serves; how often one was refused is in `counters`, as `droppedDenied`. */
export interface AccessStatus {
  /** How many there are, allowed and denied. */
  readonly prefixes: number;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  /** The verdict on addresses that no prefix matches. */
  readonly default: 'allow' | 'deny';
}

/** IPv6 packets of the hosts to and from peers, and octets of them, on both data paths. Of a super-packet the headers count once. */
export interface Traffic {
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
}

export interface PeerCounts {
  readonly trusted: number;
  readonly unverified: number;
}

export interface ClientStatus extends DaemonStatus {
  readonly role: 'client';
  readonly state: ClientState;
  /** How long it has been in this state. */
  readonly stateSeconds: number;
  readonly reason?: QualificationReason;
  readonly nat: NatKind;
  readonly server?: { readonly name: string; readonly address: string; readonly roundTripMs?: number };
  readonly address?: string;
  /** IPv4 address and port that the NAT shows to the server. */
  readonly mapped?: string;
  readonly port: number;
  /** Absent where no gateway has mapped the port. */
  readonly portMapping?: PortMapping;
  readonly interface: string;
  readonly defaultRoute: boolean;
  readonly refreshIntervalSeconds: number;
  readonly peers: PeerCounts;
  /** Since the start. */
  readonly traffic: Traffic;
  readonly dataPath: DataPath;
}

export interface ServerStatus extends DaemonStatus {
  readonly role: 'server';
  /** The addresses that clients know it by, where a NAT translates its own to them. */
  readonly announced?: string;
  readonly announcedSecondary?: string;
  readonly state: 'running';
  readonly address: string;
  readonly secondary?: string;
  readonly secure: boolean;
  readonly access: AccessStatus;
  /** The data path that answers solicitations and forwards bubbles; the kernel's work is in `counters` too. */
  readonly dataPath: DataPath;
}

export interface RelayStatus extends DaemonStatus {
  readonly role: 'relay' | 'host-relay';
  /** `draining`: its announcement is withdrawn, and it is to end; it still carries packets. */
  readonly state: 'running' | 'draining';
  readonly address: string;
  /** The address that clients know it by, where a NAT translates its own to it. */
  readonly announced?: string;
  readonly port: number;
  readonly interface: string;
  readonly serves: readonly string[];
  /** Whether the host forwards IPv6, without which a relay serves only the host; absent of a host-specific relay, and where it cannot be read. */
  readonly forwards?: boolean;
  readonly access: AccessStatus;
  readonly peers: PeerCounts;
  /** Since the start. */
  readonly traffic: Traffic;
  readonly dataPath: DataPath;
}

export type RoleStatus = ClientStatus | ServerStatus | RelayStatus;

/** A peer; its traffic is that since it is known. */
export interface PeerStatus extends Traffic {
  readonly address: string;
  /** IPv4 address and port its packets go to; absent while unknown. */
  readonly mapped?: string;
  readonly trusted: boolean;
  /** How a trusted peer of a client is reached; absent of others. */
  readonly means?: PeerMeans;
  readonly local: boolean;
  /** Its packets may be carried by the kernel. */
  readonly offloaded: boolean;
  /** How far the kernel carries them, and why no further: io/ports.ts. */
  readonly carried: CarriedPath['way'];
  readonly carriedReason?: NonNullable<CarriedPath['reason']>;
  /** Seconds since the last packet from it and to it; absent where there was none. */
  readonly receivedSecondsAgo?: number;
  readonly sentSecondsAgo?: number;
}

/** How far a client has come in finding a way to a peer, for `teredo ping --until-direct`. */
export interface ContactStatus {
  readonly version: 1;
  readonly name: string;
  readonly networkNamespace: string;
  readonly qualified: boolean;
  readonly state: 'valid' | 'stale' | 'contacting' | 'unverified' | 'unknown';
  /** Rounds of bubbles of the contact under way. */
  readonly attempts: number;
  readonly mapped?: string;
  /** How it is reached; absent while it is not. */
  readonly means?: PeerMeans | undefined;
  /** The client has a relay of its user, via which peers may be reached (--meet). */
  readonly mayMeet: boolean;
  readonly isHeardThroughServer: boolean;
  readonly ownPorts?: string;
  readonly peerPorts?: string | undefined;
  readonly expectedPort?: number | undefined;
  readonly peerExpectedPort?: number | undefined;
  readonly isTesting: boolean;
  readonly guess: 'none' | 'offered' | 'agreed' | 'hopeless';
  /** To this peer, in the guess under way. */
  readonly guessesSent: number;
}

/** A value that a reload has changed, or would have changed; as it is written in a file. */
interface ChangedOption {
  readonly option: string;
  readonly before: string;
  readonly after: string;
}

/** The result of a reload. */
export interface ReloadStatus {
  readonly version: 1;
  readonly name: string;
  readonly networkNamespace: string;
  readonly file: string;
  readonly changed: readonly ChangedOption[];
  /** They keep their old values until the daemon is started again. */
  readonly needRestart: readonly ChangedOption[];
}

export interface PeersStatus {
  readonly version: 1;
  readonly name: string;
  readonly networkNamespace: string;
  readonly peers: readonly PeerStatus[];
  /** How many there are, of which `peers` shows the first. */
  readonly total: number;
}
