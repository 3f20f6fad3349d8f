import type { CommandRing } from '../commands.ts';
import type { LimitHits } from '../limit-hits.ts';
import type { ServerCounter } from './counters.ts';

/** The results of a server, to which its parts add. */
export interface ServerContext {
  readonly counters: Record<ServerCounter, number>;
  readonly commands: CommandRing;
  readonly hits: LimitHits;
}
