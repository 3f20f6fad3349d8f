import { randomFillSync } from 'node:crypto';
import { FairShares } from '../../core/fair-shares.ts';
import type { SourcePath } from './source-path.ts';

/** Wrong passwords of one whole, such as a /32: at once, and in each second afterwards. */
const LIMITS = { burst: 64, perSecond: 0.2 };
/** A part, and a source in it, may use half of the room above: 16 wrong passwords of one address at once. */
const WEIGHTS = [1, 1];
/** Wholes that are counted apart from each other, mostly. */
const GROUPS = 16_384;

/**
 * Limits the passwords that a source can guess. A source that has given too many wrong ones is not heard for a while, whatever it gives then. Others
 * are: they have their own share.
 */
export class GuessLimit {
  private readonly shares = new FairShares(
    LIMITS,
    WEIGHTS,
    { fill: (octets) => void randomFillSync(octets) },
    GROUPS,
  );

  /** Asks `isRight`, if the source may still guess. */
  check([whole, ...path]: SourcePath, isRight: () => boolean): boolean {
    const now = performance.now();
    if (!this.shares.take(whole, path, now) || !isRight()) return false;
    this.shares.give(whole, now, 1);
    this.shares.forgive(whole, path, [now], now);
    return true;
  }
}
