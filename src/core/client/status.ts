import type { ClientState, NatKind, QualificationReason } from '../events.ts';
import type { PeerCounts } from '../peer-table.ts';
import type { PeerTraffic } from '../peer-traffic.ts';
import type { Endpoint, Ipv4, Ipv6, PortHabit, RouterReason } from '../../wire/index.ts';

/** Why a router advertisement did not count. RFC 4380 sections 5.2.1, 5.2.2; RFC 4861 section 6.1.2. */
export type AdvertisementReason =
  | RouterReason
  | 'wrong-server-address'
  | 'no-authentication'
  | 'wrong-nonce'
  | 'wrong-client-identifier'
  | 'wrong-authentication-value'
  | 'no-origin'
  | 'not-our-link-local'
  | 'not-one-prefix'
  | 'wrong-prefix'
  | 'mapping-not-global';

/** A router solicitation that went out. Times are ms of the machine's clock. */
export interface SentSolicitation {
  readonly target: Ipv4;
  readonly cone: boolean;
  readonly sentAt: number;
}

/** A valid answer. */
export interface Answer {
  readonly from: Endpoint;
  /** Our mapped address and port as this server address saw them. */
  readonly origin: Endpoint;
  readonly receivedAt: number;
  readonly roundTripMs: number;
  /** The server says that it has no other address. */
  readonly oneAddress: boolean;
}

export interface InvalidAnswer {
  readonly from: Endpoint;
  readonly reason: AdvertisementReason;
  readonly receivedAt: number;
}

/** The questions to a server, and its answers; the last few of each. */
export interface ServerResult {
  readonly primary: Ipv4;
  readonly secondary: Ipv4 | undefined;
  readonly name: string | undefined;
  readonly solicitations: readonly SentSolicitation[];
  readonly answers: readonly Answer[];
  readonly invalidAnswers: readonly InvalidAnswer[];
}

/** A client at one moment. Times are ms of the machine's clock. */
export interface ClientMachineStatus {
  /** The moment. */
  readonly at: number;
  readonly state: ClientState;
  /** The cause of the state; undefined while qualified. */
  readonly reason: QualificationReason | undefined;
  readonly nat: NatKind;
  /** Two addresses of the server have seen the same mapping: false with a server of one address. */
  readonly symmetricNatRuledOut: boolean;
  /** Index of the server in use. */
  readonly server: number | undefined;
  readonly serverResults: readonly ServerResult[];
  /** Time of the last packet from the server in use; -Infinity when there was none. */
  readonly lastServerContact: number;
  /** Of the last answered solicitation. */
  readonly roundTripMs: number | undefined;
  readonly refreshIntervalMs: number;
  /** The Teredo address, while qualified. */
  readonly address: Ipv6 | undefined;
  /** IPv4 address and port that the NAT shows to the server. */
  readonly mapped: Endpoint | undefined;
  readonly peers: PeerCounts;
  /** Packets of the host to and from peers; those of the kernel path are not among them. */
  readonly traffic: PeerTraffic;
  /** Packets by verdict and reason. */
  readonly counters: Readonly<Record<string, number>>;
}

/**
 * How a peer is reached: by the relay that serves it; at the pair in its address; on our link or elsewhere behind our NAT; or by RFC 6081, where
 * it showed a nonce, or by a random port (foretold by the NAT's habit or an Echo Test); or by a guess (docs/adr/0016); or, `met`, via the
 * user's own relay (docs/adr/0017).
 */
export type PeerMeans = 'relay' | 'direct' | 'local' | 'nonce' | 'random-port' | 'guess' | 'met';

/** A peer, for status. */
export interface PeerStatus {
  readonly address: Ipv6;
  /** Where packets to it go; of an unverified peer, undefined. */
  readonly mapped: Endpoint | undefined;
  readonly trusted: boolean;
  /** Of an unverified peer, undefined. */
  readonly means: PeerMeans | undefined;
  /** Where its last discovery bubble came from. */
  readonly local: Endpoint | undefined;
  /** -Infinity: never. */
  readonly lastReceivedMs: number;
  readonly lastSentMs: number;
  /** Sent without a direct answer in the present 300 s. */
  readonly bubbles: number;
  readonly state: 'valid' | 'stale' | 'contacting' | 'unverified';
  /** Its packets may be carried past the machine. */
  readonly offloaded: boolean;
}

/** How far the search for a way to a peer has come. */
export interface ContactProgress {
  /** `unknown`: no such peer. */
  readonly state: PeerStatus['state'] | 'unknown';
  /** Rounds of bubbles, or connectivity tests, of the contact under way. */
  readonly attempts: number;
  /** Where packets to it go. */
  readonly mapped: Endpoint | undefined;
  /** Of an unverified peer, undefined. */
  readonly means: PeerMeans | undefined;
  /** Its bubble has come by way of our server: both servers work. */
  readonly isHeardThroughServer: boolean;
  /** How the NATs assign ports; the peer's if it has said so. */
  readonly ownPorts: PortHabit;
  readonly peerPorts: PortHabit | undefined;
  /** External ports that the two sides expect of their NATs. RFC 6081 sections 5.4, 5.5 */
  readonly expectedPort: number | undefined;
  readonly peerExpectedPort: number | undefined;
  /** An Echo Test is under way. */
  readonly isTesting: boolean;
  /** Guesses of ports (docs/adr/0016). `hopeless`: both have reported how their NATs assign ports, and no number of guesses would be enough. */
  readonly guess: 'none' | 'offered' | 'agreed' | 'hopeless';
  /** In the guess under way. */
  readonly guessesSent: number;
}
