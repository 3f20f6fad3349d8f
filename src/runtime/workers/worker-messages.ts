/** What the first thread of a role and its workers tell each other, whatever the role. All of it is copied, except the memory of the counters. */
import type { LimitReport } from '../../core/limit-hits.ts';
import type { EnvironmentErrorCode } from '../../io/errors.ts';
import type { PortCounters } from '../port-counters.ts';

/** To a worker. `ping` is answered, or else the worker hangs. */
export type ToWorker<State> =
  | { readonly type: 'change'; readonly state: Partial<State> }
  | { readonly type: 'ping' }
  | { readonly type: 'close' };

/** From a worker: `ready` or `refused` first. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'refused'; readonly code: EnvironmentErrorCode | undefined; readonly message: string }
  | { readonly type: 'pong' }
  | { readonly type: 'warning'; readonly message: string }
  | {
      readonly type: 'report';
      readonly portCounters: PortCounters;
      readonly limits: readonly LimitReport[];
    };
