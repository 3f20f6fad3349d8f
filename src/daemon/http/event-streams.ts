import type { HttpAsker } from '../../control/http-stream.ts';

/** Streams of one user, or of one address of another host; and of all these together. Root and the daemon's own user have as many beside them. */
const MOST_OF_USER = 4;
const MOST = 16;

/** How many event streams there are, and which users have them. */
export class EventStreams {
  private readonly masters = new Map<number, number>();
  private readonly strangers = new Map<number, number>();

  /** Undefined where there are too many; else a function that ends the stream. */
  begin({ isMaster, user }: HttpAsker): (() => void) | undefined {
    const counts = isMaster ? this.masters : this.strangers;
    const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const own = counts.get(user) ?? 0;
    if (all >= MOST || own >= MOST_OF_USER) return undefined;
    counts.set(user, own + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const left = counts.get(user)! - 1;
      if (left === 0) counts.delete(user);
      else counts.set(user, left);
    };
  }
}
