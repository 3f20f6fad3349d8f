import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';

/** Each key counts in this many rows. Its usage is the least of them, so that a key that shares its place in one row changes nothing. */
export const ROWS = 2;
const PAGE_BITS = 6;
const PAGE = 1 << PAGE_BITS;

/**
 * The recent usage of keys that outsiders choose. An amount decays with a time constant. Memory has a limit: a keyed hash assigns each key
 * one of a fixed number of places in each row. Pages of places are allocated at their first use.
 */
export class Usages {
  /** Two numbers for each place: the amount, and the time (ms) at which it was counted. The list, too, is allocated at its first use. */
  private pages: (Float64Array | undefined)[] = [];
  private readonly hashes: readonly HashKey[];
  private readonly memoryMs: () => number;
  private readonly mask: number;

  /** `memoryMs`: the time after which an amount counts 1/e; `size`: places in a row, a power of two. */
  constructor(memoryMs: () => number, entropy: Entropy, size = 8_192) {
    this.memoryMs = memoryMs;
    this.mask = size - 1;
    this.hashes = Array.from({ length: ROWS }, () => new HashKey(entropy));
  }

  /** Writes the places of a key (a 32-bit word) to `places[at, at + ROWS)`. */
  locate(key: number, places: number[], at: number): void {
    for (let row = 0; row < ROWS; row++)
      places[at + row] = row * (this.mask + 1) + (this.hashes[row]!.of2(key, 0) & this.mask);
  }

  /** The recent usage of the key with the places at `places[at]`. */
  of(places: readonly number[], at: number, now: number): number {
    if (this.pages.length === 0) return 0;
    let least = Infinity;
    for (let row = 0; row < ROWS; row++) {
      const place = places[at + row]!;
      const page = this.pages[place >>> PAGE_BITS];
      if (page === undefined) return 0;
      least = Math.min(least, this.decayed(page, 2 * (place & (PAGE - 1)), now));
    }
    return least;
  }

  /** Adds to the usage of the key with the places at `places[from]`; `amount` may be negative. */
  add(places: readonly number[], from: number, now: number, amount: number): void {
    if (this.pages.length === 0) this.pages = Array.from({ length: (ROWS * (this.mask + 1)) / PAGE });
    for (let row = 0; row < ROWS; row++) {
      const place = places[from + row]!;
      const page = (this.pages[place >>> PAGE_BITS] ??= new Float64Array(2 * PAGE));
      const at = 2 * (place & (PAGE - 1));
      page[at] = Math.max(0, this.decayed(page, at, now) + amount);
      page[at + 1] = now;
    }
  }

  /** The part of an amount that still counts after this time (ms). */
  remaining(elapsed: number): number {
    return elapsed <= 0 ? 1 : Math.exp(-elapsed / this.memoryMs());
  }

  private decayed(page: Float64Array, at: number, now: number): number {
    const amount = page[at]!;
    return amount === 0 ? 0 : amount * this.remaining(now - page[at + 1]!);
  }
}
