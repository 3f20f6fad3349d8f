/**
 * Token buckets for keys that outsiders choose (IPv4 addresses, IPv6 prefixes). Memory has a limit: a keyed hash assigns each key
 * one of a fixed number of buckets. So an attacker with many keys cannot make memory grow, and cannot choose the keys with which it
 * shares a bucket. Two keys in one bucket share its budget. Pages of buckets are allocated at their first use: a client with three
 * peers needs three of them.
 */
import { HashKey } from './hash.ts';
import type { Entropy } from './entropy.ts';

export interface BucketLimits {
  /** Tokens added each second. */
  readonly perSecond: number;
  /** Tokens of a new key, and the most that time alone adds up to. */
  readonly burst: number;
  /** The most tokens that {@link TokenBuckets.give} adds up to. Default: `burst`. */
  readonly ceiling?: number;
}

export class TokenBuckets {
  /** Two numbers for each bucket: its tokens, and the time (ms) at which they were counted. */
  private readonly pages: (Float64Array | undefined)[];
  /** The page of the bucket that was last refilled, and its index there. */
  private page: Float64Array = NO_PAGE;
  private at = 0;
  private readonly hash: HashKey;
  /** They may change: see live-limits.ts. */
  private readonly limits: BucketLimits;
  private readonly mask: number;

  /** `size`: number of buckets, a power of two. */
  constructor(limits: BucketLimits, entropy: Entropy, size = 16_384) {
    this.limits = limits;
    this.hash = new HashKey(entropy);
    this.mask = size - 1;
    this.pages = Array.from({ length: Math.ceil(size / PAGE) });
  }

  /** Takes `cost` tokens of the key (two 32-bit words). False: there are fewer, and nothing is taken. */
  take(high: number, low: number, now: number, cost = 1): boolean {
    this.refill(high, low, now);
    return this.takeAgain(cost);
  }

  /** As {@link take}, of the key of the latest call of another method, and at its time. */
  takeAgain(cost: number): boolean {
    const { page, at } = this;
    if (page[at]! < cost) return false;
    page[at]! -= cost;
    return true;
  }

  /** Whether {@link take} would take `cost` tokens. */
  has(high: number, low: number, now: number, cost = 1): boolean {
    return this.left(high, low, now) >= cost;
  }

  /** Tokens that the key has left. */
  left(high: number, low: number, now: number): number {
    const at = this.refill(high, low, now);
    return this.page[at];
  }

  /** Adds tokens: packets sent under this key have been answered. */
  give(high: number, low: number, now: number, tokens: number): void {
    const at = this.refill(high, low, now);
    const { burst, ceiling = burst } = this.limits;
    this.page[at] = Math.min(this.page[at] + tokens, ceiling);
  }

  /** Sets {@link page} to the key's page, refills the key's bucket, and returns its index in the page. */
  private refill(high: number, low: number, now: number): number {
    const bucket = this.hash.of2(high, low) & this.mask;
    const page = (this.page = this.pages[bucket >>> PAGE_BITS] ?? this.addPage(bucket >>> PAGE_BITS));
    const at = (this.at = 2 * (bucket & (PAGE - 1)));
    const elapsed = now - page[at + 1];
    if (elapsed > 0) {
      const { perSecond, burst, ceiling = burst } = this.limits;
      if (elapsed === Infinity) page[at] = burst;
      else if (page[at] < burst) page[at] = Math.min(burst, page[at] + (elapsed * perSecond) / 1000);
      else if (page[at] > ceiling) page[at] = ceiling; // the limits have changed
      page[at + 1] = now;
    }
    return at;
  }

  private addPage(number: number): Float64Array {
    const page = new Float64Array(2 * PAGE);
    for (let at = 0; at < page.length; at += 2) page[at + 1] = -Infinity; // full at its first use
    this.pages[number] = page;
    return page;
  }
}

const PAGE_BITS = 6;
const PAGE = 1 << PAGE_BITS;
const NO_PAGE = new Float64Array(0);
