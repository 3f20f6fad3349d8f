/** What the first thread of a server and its workers tell each other. All of it is copied, except the memory of the counters. */
import type { AccessRules } from '../../core/access-list.ts';
import type { LimitReport } from '../../core/limit-hits.ts';
import type { ServerLimits, SharedWork } from '../../core/server/index.ts';
import type { EnvironmentErrorCode } from '../../io/errors.ts';
import type { Ipv4Subnet } from '../../io/ports.ts';
import type { PortCounters } from '../port-counters.ts';
import type { PlainServerSettings } from '../server-machine.ts';
import type { ServerKeys } from '../server-keys.ts';

/** For the start of a worker. */
export interface ServerWorkerData extends ServerWorkerState {
  readonly settings: PlainServerSettings;
  /** Sockets that are opened for it. */
  readonly primary: number;
  readonly secondary: number | undefined;
  /** Its packets by verdict and reason, in the order of SERVER_COUNTERS: it writes, the first thread reads. */
  readonly counters: SharedArrayBuffer;
}

/** That may change later. */
export interface ServerWorkerState {
  readonly access: AccessRules;
  /** This worker's part. */
  readonly limits: ServerLimits;
  readonly parts: Readonly<Record<SharedWork, number>>;
  readonly keys: ServerKeys | undefined;
  readonly subnets: readonly Ipv4Subnet[];
}

/** To a worker. `ping` is answered, or else the worker hangs. */
export type ToServerWorker =
  | { readonly type: 'change'; readonly state: Partial<ServerWorkerState> }
  | { readonly type: 'ping' }
  | { readonly type: 'close' };

/** From a worker: `ready` or `refused` first. */
export type FromServerWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'refused'; readonly code: EnvironmentErrorCode | undefined; readonly message: string }
  | { readonly type: 'pong' }
  | { readonly type: 'warning'; readonly message: string }
  | {
      readonly type: 'report';
      readonly portCounters: PortCounters;
      readonly limits: readonly LimitReport[];
    };
