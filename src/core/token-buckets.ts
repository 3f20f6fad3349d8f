/**
 * Token buckets for keys that outsiders choose (IPv4 addresses, IPv6 prefixes). Memory is fixed: a key is hashed, keyed,
 * into one of a power of two of buckets, so an attacker with many keys cannot make it grow, and cannot choose whom
 * to share a bucket with. Two keys in one bucket share its budget.
 */
import { HashKey } from './hash.ts';
import type { Entropy } from './entropy.ts';

export interface BucketLimits {
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** Tokens of a key never seen; also where refilling by time ends. */
  readonly burst: number;
  /** The most that {@link TokenBuckets.give} may pile up; `burst` when not given. */
  readonly ceiling?: number;
}

export class TokenBuckets {
  private readonly tokens: Float32Array;
  private readonly stamps: Float64Array;
  private readonly hash: HashKey;
  private readonly limits: BucketLimits;
  private readonly mask: number;

  /** `size`: buckets, a power of two. */
  constructor(limits: BucketLimits, entropy: Entropy, size = 16_384) {
    this.limits = limits;
    this.hash = new HashKey(entropy);
    this.mask = size - 1;
    this.tokens = new Float32Array(size).fill(limits.burst);
    this.stamps = new Float64Array(size).fill(-Infinity);
  }

  /** Takes `cost` tokens of the key (two 32-bit words); false, taking nothing, when there are fewer. */
  take(high: number, low: number, now: number, cost = 1): boolean {
    const at = this.refill(high, low, now);
    if (this.tokens[at] < cost) return false;
    this.tokens[at] -= cost;
    return true;
  }

  /** Adds tokens: what was sent under this key has been answered. */
  give(high: number, low: number, now: number, tokens: number): void {
    const at = this.refill(high, low, now);
    const { burst, ceiling = burst } = this.limits;
    this.tokens[at] = Math.min(this.tokens[at] + tokens, ceiling);
  }

  private refill(high: number, low: number, now: number): number {
    const at = this.hash.of2(high, low) & this.mask;
    const elapsed = now - this.stamps[at];
    if (elapsed > 0) {
      const { perSecond, burst } = this.limits;
      if (this.tokens[at] < burst) {
        this.tokens[at] = Math.min(burst, this.tokens[at] + (elapsed * perSecond) / 1000);
      }
      this.stamps[at] = now;
    }
    return at;
  }
}
