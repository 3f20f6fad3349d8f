import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';

/** Each key counts in as many rows; what it has used is the least of them, so that one key that shares a place changes nothing. */
const ROWS = 2;
const PAGE_BITS = 6;
const PAGE = 1 << PAGE_BITS;

/**
 * How much keys that outsiders choose have used lately. An amount decays with a time constant. Memory has a limit: keys are hashed,
 * with a secret, into a fixed number of places, and pages of places come with their first use.
 */
export class Usages {
  /** Two numbers a place: the amount, and the time at which it was that. The list comes with the first use, too: a client may have none. */
  private pages: (Float64Array | undefined)[] = [];
  private readonly hashes: readonly HashKey[];
  private readonly memoryMs: number;
  private readonly mask: number;

  /** `memoryMs`: after so long an amount is 1/e of what it was; `size`: places a row, a power of two. */
  constructor(memoryMs: number, entropy: Entropy, size = 8_192) {
    this.memoryMs = memoryMs;
    this.mask = size - 1;
    this.hashes = Array.from({ length: ROWS }, () => new HashKey(entropy));
  }

  /** What the key (a 32-bit word) has used. */
  of(key: number, now: number): number {
    if (this.pages.length === 0) return 0;
    let least = Infinity;
    for (let row = 0; row < ROWS; row++) {
      const place = this.placeOf(key, row);
      const page = this.pages[place >>> PAGE_BITS];
      if (page === undefined) return 0;
      least = Math.min(least, this.decayed(page, 2 * (place & (PAGE - 1)), now));
    }
    return least;
  }

  /** The key has used so much more; or less, where that is negative. */
  add(key: number, now: number, amount: number): void {
    if (this.pages.length === 0) this.pages = Array.from({ length: (ROWS * (this.mask + 1)) / PAGE });
    for (let row = 0; row < ROWS; row++) {
      const place = this.placeOf(key, row);
      const page = (this.pages[place >>> PAGE_BITS] ??= new Float64Array(2 * PAGE));
      const at = 2 * (place & (PAGE - 1));
      page[at] = Math.max(0, this.decayed(page, at, now) + amount);
      page[at + 1] = now;
    }
  }

  /** The part of an amount that still counts after so long (ms). */
  remaining(elapsed: number): number {
    return Math.exp(-Math.max(0, elapsed) / this.memoryMs);
  }

  private decayed(page: Float64Array, at: number, now: number): number {
    const amount = page[at]!;
    return amount === 0 ? 0 : amount * this.remaining(now - page[at + 1]!);
  }

  private placeOf(key: number, row: number): number {
    const place = this.hashes[row]!.of2(key, 0) & this.mask;
    return row * (this.mask + 1) + place;
  }
}
