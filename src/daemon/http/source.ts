import type { ListAnswer } from '../../control/control-server.ts';
import type { PeerOrder, RankedPeer } from '../../control/peer-order.ts';
import type { RoleStatus, UsersStatus } from '../../control/status.ts';
import type { PeerMeans } from '../../core/client/index.ts';
import type { UserWindow } from '../../core/users/index.ts';

/** The daemon, as HTTP shows it. */
export interface HttpSource {
  readonly name: string;
  readonly role: RoleStatus['role'];
  /** As `teredo status --json` has it. */
  readonly status: () => RoleStatus;
  /** As `teredo peers --json` has it; undefined where the role keeps none. */
  readonly peers: (limit: number) => ListAnswer | undefined;
  /** All peers; undefined: the next step. Where there is none, those of {@link peers} count. */
  readonly rankedPeers?: ((order: PeerOrder) => Iterable<RankedPeer | undefined>) | undefined;
  /** To be awaited before {@link peers} or {@link users} of a window. Rejects if a thread of the daemon does not answer. */
  readonly gather?: (what: 'peers' | UserWindow) => Promise<void>;
  /** As `teredo users --json` has it; undefined where the role is no relay. */
  readonly users: (window: UserWindow, limit: number) => UsersStatus | undefined;
  /** How the peers of a client are reached, one by one; undefined of those that are not. */
  readonly means?: (() => Iterable<PeerMeans | undefined>) | undefined;
  /** Gets a line for each failure. */
  readonly log: (line: string) => void;
}
