import type { Endpoint, Ipv6 } from '../wire/index.ts';
import type { SocketId } from './socket-id.ts';

/** The names are those of netsh. `probe`: looking for a server; `dormant`: nothing needs the tunnel. */
export type ClientState = 'offline' | 'probe' | 'qualified' | 'dormant';

/** The kind of the client's NAT, as far as two server addresses show it (RFC 4380 section 5.2.1). */
export type NatKind = 'unknown' | 'none' | 'cone' | 'restricted' | 'symmetric';

/** The reason for the present state of qualification. Stable codes; the messages for users are made elsewhere. */
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
  /** The host has native IPv6, and the client is set to run only without. RFC 4380 section 5.5 */
  | 'native-ipv6'
  | 'stopped';

/** The events of a machine. */
export type MachineEvent =
  | { readonly type: 'state'; readonly state: ClientState; readonly reason?: QualificationReason }
  | {
      readonly type: 'address-added';
      readonly address: Ipv6;
      readonly mapped: Endpoint;
      readonly server: number;
    }
  | { readonly type: 'address-removed'; readonly address: Ipv6 }
  /** `port`: the local port that the socket must have. */
  | { readonly type: 'socket-wanted'; readonly socket: SocketId; readonly port?: number }
  | { readonly type: 'socket-unwanted'; readonly socket: SocketId }
  | { readonly type: 'server-chosen'; readonly server: number; readonly roundTripMs: number }
  | { readonly type: 'key-expired'; readonly server: number }
  | { readonly type: 'refresh-interval'; readonly milliseconds: number; readonly concluded: boolean };
