/** What the first thread of a server tells its workers. */
import type { AccessRules } from '../../core/access-list.ts';
import type { ServerLimits, SharedWork } from '../../core/server/index.ts';
import type { Ipv4Subnet } from '../../io/ports.ts';
import type { PlainServerSettings } from '../server-machine.ts';
import type { ServerKeys } from '../server-keys.ts';
import type { ToWorker } from './worker-messages.ts';

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

export type ToServerWorker = ToWorker<ServerWorkerState>;
