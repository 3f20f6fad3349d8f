import type { Endpoint, Ipv6 } from '../wire/index.ts';
import type { SocketId } from './socket-id.ts';

/** netsh's words: off-line, looking for a server, qualified, or resting because nothing needs the tunnel. */
export type ClientState = 'offline' | 'probe' | 'qualified' | 'dormant';

/** How the client's NAT maps, as far as two server addresses can tell (RFC 4380 section 5.2.1). */
export type NatKind = 'unknown' | 'none' | 'cone' | 'restricted' | 'symmetric';

/** Why qualification stands where it stands. Stable codes: the user's words are made of them elsewhere. */
export type QualificationReason =
  | 'no-answer'
  | 'no-answer-secondary'
  | 'invalid-answer'
  | 'answer-from-elsewhere'
  | 'authentication-failed'
  | 'symmetric-nat'
  | 'mapping-not-global'
  | 'no-server'
  | 'network-changed'
  /** The host has IPv6 without Teredo, and the client is for hosts that have none. RFC 4380 section 5.5 */
  | 'native-ipv6'
  | 'stopped';

/** What a machine reports besides packets. */
export type MachineEvent =
  | { readonly type: 'state'; readonly state: ClientState; readonly reason?: QualificationReason }
  | {
      readonly type: 'address-added';
      readonly address: Ipv6;
      readonly mapped: Endpoint;
      readonly server: number;
    }
  | { readonly type: 'address-removed'; readonly address: Ipv6 }
  /** `port`: on that local port, and no other. */
  | { readonly type: 'socket-wanted'; readonly socket: SocketId; readonly port?: number }
  | { readonly type: 'socket-unwanted'; readonly socket: SocketId }
  | { readonly type: 'server-chosen'; readonly server: number; readonly roundTripMs: number }
  | { readonly type: 'key-expired'; readonly server: number }
  | { readonly type: 'refresh-interval'; readonly milliseconds: number; readonly concluded: boolean };
