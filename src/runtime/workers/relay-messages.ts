/** What the first thread of a relay and its workers tell each other, beside the messages of all roles. */
import type { AccessRules } from '../../core/access-list.ts';
import type { RelayLimits } from '../../core/relay/index.ts';
import type { HeavyUsers, UserWindow } from '../../core/users/index.ts';
import type { Ipv4Subnet } from '../../io/ports.ts';
import type { Strays } from '../../io/workers/steered-udp.ts';
import type { Steering } from '../../io/workers/worker-of.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { PlainRelaySettings, RelayHost } from '../relay-machine.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** For the start of a worker. */
export interface RelayWorkerData extends RelayWorkerState {
  readonly settings: PlainRelaySettings;
  /** Its number, beginning with 1. */
  readonly worker: number;
  readonly steering: Steering;
  readonly interface: string;
  readonly address: Ipv4;
  /** A queue of the interface and a socket that are opened for it. */
  readonly tun: number;
  readonly udp: number;
  /** Numbers of its own: it writes them, the first thread reads them (relay-shown.ts). */
  readonly shown: SharedArrayBuffer;
}

/** That may change later. */
export interface RelayWorkerState {
  readonly access: AccessRules;
  /** This worker's part. */
  readonly limits: RelayLimits;
  readonly host: RelayHost;
  readonly subnets: readonly Ipv4Subnet[];
}

/** A question has a number, which its answer has, too. */
export type RelayQuestion =
  | { readonly type: 'peers?'; readonly id: number }
  | { readonly type: 'users?'; readonly id: number; readonly window: UserWindow };

export type RelayAnswer =
  /** Some of the peers (peer-records.ts); the last answer has none. */
  | { readonly type: 'peers'; readonly id: number; readonly records: Uint8Array }
  | { readonly type: 'users'; readonly id: number; readonly users: HeavyUsers };

/** Datagrams of another worker. */
export type StraysMessage = Strays & { readonly type: 'strays' };

export type ToRelayWorker = ToWorker<RelayWorkerState> | RelayQuestion | StraysMessage;
export type FromRelayWorker = FromWorker | RelayAnswer | StraysMessage;
