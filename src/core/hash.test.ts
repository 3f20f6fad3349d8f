import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { uint32 } from '../../test/support/arbitraries.ts';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { HashKey } from './hash.ts';

/** HalfSipHash as its authors define it, over bytes: the reference. */
function reference(key: number[], bytes: number[], compression: number, finalization: number): number {
  let [v0, v1, v2, v3] = [key[0], key[1], 0x6c796765 ^ key[0], 0x74656462 ^ key[1]];
  const rotate = (x: number, n: number) => (x << n) | (x >>> (32 - n));
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
  };
  const last = bytes.length - (bytes.length % 4);
  for (let at = 0; at <= last; at += 4) {
    let word = at === last ? bytes.length << 24 : 0;
    for (let i = 0; at + i < bytes.length && i < 4; i++) word |= bytes[at + i] << (8 * i);
    v3 ^= word;
    rounds(compression);
    v0 ^= word;
  }
  v2 ^= 0xff;
  rounds(finalization);
  return (v1 ^ v3) >>> 0;
}

const littleEndian = (words: number[]) =>
  words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]);

/** Gives these words, one after the other. */
function keyOf(words: number[]) {
  let at = 0;
  return {
    fill(target: Uint8Array) {
      const word = words[at++];
      target.set([word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff]);
    },
  };
}

describe('HashKey', () => {
  test('the reference gives the test vector of the SipHash authors (HalfSipHash-2-4, key 00..07, no input)', () => {
    // vectors_hsip32[0] of github.com/veorq/SipHash: a9 35 9f 5b
    expect(reference([0x03020100, 0x07060504], [], 2, 4)).toBe(0x5b9f35a9);
  });

  test('is HalfSipHash-1-3 of two and four words', () => {
    fc.assert(
      fc.property(uint32, uint32, uint32, uint32, uint32, uint32, (k0, k1, a, b, c, d) => {
        const key = new HashKey(keyOf([k0, k1]));
        expect(key.of2(a, b)).toBe(reference([k0, k1], littleEndian([a, b]), 1, 3));
        expect(key.of4(a, b, c, d)).toBe(reference([k0, k1], littleEndian([a, b, c, d]), 1, 3));
      }),
    );
  });

  test('is HalfSipHash-2-4 with 2 and 4 rounds', () => {
    fc.assert(
      fc.property(uint32, uint32, uint32, uint32, (k0, k1, a, b) => {
        const key = new HashKey(keyOf([k0, k1]), 2, 4);
        expect(key.of4(a, b, a, b)).toBe(reference([k0, k1], littleEndian([a, b, a, b]), 2, 4));
      }),
    );
  });

  test('spreads similar keys evenly', () => {
    const key = new HashKey(new SeededEntropy(1));
    const buckets = new Uint32Array(256);
    for (let i = 0; i < 65_536; i++) buckets[key.of2(0, i) & 0xff]++;
    expect(Math.max(...buckets)).toBeLessThan(256 + 6 * 16);
    expect(Math.min(...buckets)).toBeGreaterThan(256 - 6 * 16);
  });
});
