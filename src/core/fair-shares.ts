import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';
import { TokenBuckets } from './token-buckets.ts';
import type { BucketLimits } from './token-buckets.ts';
import { Usages } from './usages.ts';

/** What has been used is remembered for twice as long as an empty bucket takes to fill: after that it counts 1/e as much. */
const MEMORY_FILLS = 2;
/** One that has used less than this part of what it wants now has used nothing. */
const FORGOTTEN = 0.25;

/**
 * Token buckets of groups, in which nobody who comes often takes what others need. A member is a path, such as a relay, a /32 of it, a /48 of
 * that. Each level has room, in tokens, of what the one above it has; the first has what the group's bucket has left:
 *
 *     room(n) = (weight(n) * room(n - 1) - used lately) / (weight(n) + 1)
 *
 * which is what one could still take by itself if it stops where it has used `weight` times what it leaves to others. One that has had
 * nothing lately has room for what it wants now as long as the level above has. So the more somebody has had, the more must be left for the
 * others, and of those that want more than there is the ones that have had least have their turn.
 *
 * A path counts below the one before it: what is said in somebody's name by another way takes nothing from that one.
 */
export class FairShares {
  private readonly total: TokenBuckets;
  private readonly usages: Usages;
  private readonly hash: HashKey;
  private readonly weights: readonly number[];
  private readonly keys: number[] = [];

  /** `weights`: one for each level of a path; `groups`: buckets for groups, a power of two, 1 where there is only one group. */
  constructor(limits: BucketLimits, weights: readonly number[], entropy: Entropy, groups = 1) {
    this.total = new TokenBuckets(limits, entropy, groups);
    this.usages = new Usages((MEMORY_FILLS * 1_000 * limits.burst) / limits.perSecond, entropy);
    this.hash = new HashKey(entropy);
    this.weights = weights;
  }

  /** Takes `cost` tokens of a group for the member at a path (32-bit words, one a level); false, taking nothing, where it may not. */
  take(group: number, path: readonly number[], now: number, cost = 1): boolean {
    const { keys, weights } = this;
    let room = this.total.left(group, 0, now);
    let key = group;
    for (let level = 0; level < weights.length && room >= cost; level++) {
      key = keys[level] = this.hash.of2(key, path[level]!);
      const weight = weights[level]!;
      const used = this.usages.of(key, now);
      const least = used < FORGOTTEN * cost ? cost : 0;
      room = Math.max((weight * room - used) / (weight + 1), least);
    }
    if (room < cost || !this.total.take(group, 0, now, cost)) return false;
    this.count(now, cost);
    return true;
  }

  /**
   * Tokens that were taken for the member, one at each of these times (ms), have been answered: `part` of each counts no more, as far as it
   * still counts, and the group gets `tokens`.
   */
  give(
    group: number,
    path: readonly number[],
    takenAt: readonly number[],
    now: number,
    part: number,
    tokens: number,
  ): void {
    this.total.give(group, 0, now, tokens);
    if (path.length === 0 || takenAt.length === 0) return;
    let key = group;
    for (let level = 0; level < path.length; level++)
      key = this.keys[level] = this.hash.of2(key, path[level]!);
    let counted = 0;
    for (const at of takenAt) counted += this.usages.remaining(now - at);
    this.count(now, -part * counted);
  }

  private count(now: number, amount: number): void {
    for (const key of this.keys) this.usages.add(key, now, amount);
  }
}
