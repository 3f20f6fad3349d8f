import { randomUint32 } from './entropy.ts';
import type { Entropy } from './entropy.ts';

/**
 * HalfSipHash-1-3 (Aumasson, Bernstein: SipHash), a keyed hash of 32-bit words made for hash tables: who does not know
 * the key cannot make keys collide on purpose. Not for authentication.
 */
export class HashKey {
  private readonly k0: number;
  private readonly k1: number;

  constructor(entropy: Entropy) {
    this.k0 = randomUint32(entropy) | 0;
    this.k1 = randomUint32(entropy) | 0;
  }

  /** Hash of two words, an unsigned 32-bit number. */
  of2(a: number, b: number): number {
    this.begin();
    this.absorb(a | 0);
    this.absorb(b | 0);
    return this.finish(8 << 24);
  }

  /** Hash of four words, an unsigned 32-bit number. */
  of4(a: number, b: number, c: number, d: number): number {
    this.begin();
    this.absorb(a | 0);
    this.absorb(b | 0);
    this.absorb(c | 0);
    this.absorb(d | 0);
    return this.finish(16 << 24);
  }

  private v0 = 0;
  private v1 = 0;
  private v2 = 0;
  private v3 = 0;

  private begin(): void {
    this.v0 = this.k0;
    this.v1 = this.k1;
    this.v2 = 0x6c796765 ^ this.k0;
    this.v3 = 0x74656462 ^ this.k1;
  }

  private absorb(word: number): void {
    this.v3 ^= word;
    this.round();
    this.v0 ^= word;
  }

  private finish(length: number): number {
    this.absorb(length);
    this.v2 ^= 0xff;
    this.round();
    this.round();
    this.round();
    return (this.v1 ^ this.v3) >>> 0;
  }

  private round(): void {
    let { v0, v1, v2, v3 } = this;
    v0 = (v0 + v1) | 0;
    v1 = (v1 << 5) | (v1 >>> 27);
    v1 ^= v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = (v3 << 8) | (v3 >>> 24);
    v3 ^= v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7) | (v3 >>> 25);
    v3 ^= v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13) | (v1 >>> 19);
    v1 ^= v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    this.v0 = v0;
    this.v1 = v1;
    this.v2 = v2;
    this.v3 = v3;
  }
}
