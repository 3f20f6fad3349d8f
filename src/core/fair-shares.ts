import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';
import { TokenBuckets } from './token-buckets.ts';
import type { BucketLimits } from './token-buckets.ts';
import { ROWS, Usages } from './usages.ts';

/** The time constant of used tokens, in times that an empty bucket takes to fill: after that time they count 1/e. */
const MEMORY_FILLS = 2;
/** A member that has used less than this part of its present request counts as one that has used nothing. */
const FORGOTTEN = 0.25;

/**
 * Token buckets of groups, in which a heavy sender does not take the tokens that others need. A member is a path of levels, such as a relay,
 * a /32 of it, a /48 of that. Each level has room, in tokens, within the room of the level above; above the first level is the group's bucket:
 *
 *     room(n) = (weight(n) * room(n - 1) - used lately) / (weight(n) + 1)
 *
 * That is: a member stops when it has used `weight` times as much as it leaves to the others. A member that has used nothing lately has room
 * for its request if the level above has. So the more a member has used, the more must be left for the others; and if the members want more
 * than there is, those that have used least are served.
 *
 * Usage is counted by path. Example: a sender forges the address of a client behind another relay; that uses nothing of the client's path.
 */
export class FairShares {
  private readonly total: TokenBuckets;
  private readonly usages: Usages;
  private readonly hash: HashKey;
  private readonly weights: readonly number[];
  /** The path whose places are known: most calls are for the same path as the one before. And these places, level by level. */
  private group = 0;
  private readonly path: number[] = [];
  private readonly places: number[] = [];

  /** `weights`: one for each level of a path; `groups`: number of buckets, a power of two; 1 for a single group. */
  constructor(limits: BucketLimits, weights: readonly number[], entropy: Entropy, groups = 1) {
    this.total = new TokenBuckets(limits, entropy, groups);
    this.usages = new Usages(() => (MEMORY_FILLS * 1_000 * limits.burst) / limits.perSecond, entropy);
    this.hash = new HashKey(entropy);
    this.weights = weights;
  }

  /** Takes `cost` tokens of a group for the member at a path (one 32-bit word for each level). False: it may not, and nothing is taken. */
  take(group: number, path: readonly number[], now: number, cost = 1): boolean {
    const { weights, places } = this;
    let room = this.total.left(group, 0, now);
    if (room >= cost) this.locate(group, path);
    for (let level = 0; level < weights.length && room >= cost; level++) {
      const weight = weights[level]!;
      const used = this.usages.of(places, ROWS * level, now);
      const least = used < FORGOTTEN * cost ? cost : 0;
      room = Math.max((weight * room - used) / (weight + 1), least);
    }
    if (room < cost || !this.total.takeAgain(cost)) return false;
    this.count(now, cost);
    return true;
  }

  /** Packets of the group were answered: it gets `tokens`. */
  give(group: number, now: number, tokens: number): void {
    this.total.give(group, 0, now, tokens);
  }

  /** Packets were answered for which the member took one token at each of these times (ms): `part` of each no longer counts as used. */
  forgive(group: number, path: readonly number[], takenAt: readonly number[], now: number, part = 1): void {
    if (path.length === 0 || takenAt.length === 0) return;
    this.locate(group, path);
    let counted = 0;
    for (const at of takenAt) counted += this.usages.remaining(now - at);
    this.count(now, -part * counted);
  }

  private count(now: number, amount: number): void {
    for (let level = 0; level < this.path.length; level++)
      this.usages.add(this.places, ROWS * level, now, amount);
  }

  private locate(group: number, path: readonly number[]): void {
    if (group === this.group && this.isPath(path)) return;
    this.group = group;
    this.path.length = path.length;
    let key = group;
    for (let level = 0; level < path.length; level++) {
      this.path[level] = path[level]!;
      key = this.hash.of2(key, path[level]!);
      this.usages.locate(key, this.places, ROWS * level);
    }
  }

  private isPath(path: readonly number[]): boolean {
    if (path.length !== this.path.length) return false;
    for (let level = 0; level < path.length; level++) if (path[level] !== this.path[level]) return false;
    return true;
  }
}
