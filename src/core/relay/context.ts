import type { AccessList } from '../access-list.ts';
import type { CommandRing } from '../commands.ts';
import type { Entropy } from '../entropy.ts';
import type { Offload } from '../offload/offload.ts';
import type { LimitHits } from '../limit-hits.ts';
import type { PeerTable } from '../peer-table.ts';
import type { RelayUsers } from '../users/index.ts';
import type { RelayCounter } from './counters.ts';
import type { RelayLimits } from './limits.ts';
import type { RelayOptions } from './options.ts';

/** The state that all parts of a relay share. */
export interface RelayContext {
  readonly options: RelayOptions;
  /** It allows all peers in {@link peers}. */
  access: AccessList;
  readonly limits: RelayLimits;
  readonly entropy: Entropy;
  readonly counters: Record<RelayCounter, number>;
  readonly hits: LimitHits;
  readonly commands: CommandRing;
  readonly peers: PeerTable;
  readonly offload: Offload;
  readonly users: RelayUsers;
}
