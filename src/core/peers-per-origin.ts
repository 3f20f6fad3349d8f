import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';

/**
 * Counts peers by origin (IPv4 address of a Teredo client, /64 of a native host), since one host can have many addresses of one origin. Approximate:
 * by hash.
 */
export class PeersPerOrigin {
  /** Allocated with the first peer: a client may never have one. */
  private sizes = new Uint32Array(0);
  private readonly hash: HashKey;

  constructor(entropy: Entropy) {
    this.hash = new HashKey(entropy);
  }

  /** The number of peers with the origin of the IPv6 address in the four words at `words[at]`. */
  sizeOf(words: Uint32Array, at: number): number {
    return this.sizes.length === 0 ? 0 : this.sizes[this.indexOf(words, at)];
  }

  /** Counts one peer more, or one less. */
  count(words: Uint32Array, at: number, change: 1 | -1): void {
    if (this.sizes.length === 0) this.sizes = new Uint32Array(16_384);
    this.sizes[this.indexOf(words, at)] += change;
  }

  private indexOf(words: Uint32Array, at: number): number {
    const hash =
      words[at] === TEREDO_PREFIX ? this.hash.of2(words[at + 3], 0) : this.hash.of2(words[at], words[at + 1]);
    return hash & (this.sizes.length - 1);
  }
}

/** 2001:0000::/32, the first word. */
const TEREDO_PREFIX = 0x20010000;
