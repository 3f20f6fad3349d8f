import type { Entropy } from '../core/entropy.ts';

/** sfc32 (Chris Doty-Humphrey): small, fast, passes PractRand. The same seed gives the same numbers. Not for secrets. */
export class SeededEntropy implements Entropy {
  private a: number;
  private b: number;
  private c = 0x9e3779b9;
  private counter = 1;

  /** `seed`: any 32-bit number. `stream`: distinguishes the generators of one seed. */
  constructor(seed: number, stream = 0) {
    this.a = seed | 0;
    this.b = stream | 0;
    for (let i = 0; i < 16; i++) this.uint32();
  }

  fill(target: Uint8Array): void {
    for (let i = 0; i < target.length; i += 4) {
      const word = this.uint32();
      const end = Math.min(4, target.length - i);
      for (let j = 0; j < end; j++) target[i + j] = word >>> (8 * j);
    }
  }

  uint32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.uint32() / 2 ** 32;
  }

  /** A whole number, uniform in [low, high). */
  integer(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low));
  }

  /** True with this probability. For 0 it draws no number, so that switching a fault off does not change the other draws. */
  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length)]!;
  }
}
