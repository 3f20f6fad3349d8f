import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { TokenBuckets } from './token-buckets.ts';

const entropy = new SeededEntropy(7);
const takeAll = (buckets: TokenBuckets, now: number) => {
  let taken = 0;
  while (buckets.take(1, 2, now)) taken++;
  return taken;
};

describe('TokenBuckets', () => {
  test.each([-1e9, 0, 1e12])('starts full at any clock value: %d', (now) => {
    const buckets = new TokenBuckets({ perSecond: 2, burst: 10 }, entropy);
    expect(takeAll(buckets, now)).toBe(10);
    expect(takeAll(buckets, now + 499)).toBe(0);
    expect(takeAll(buckets, now + 1_500)).toBe(3);
    expect(takeAll(buckets, now + 1e6)).toBe(10);
  });

  test('given tokens add up to the ceiling and stay', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 10, ceiling: 30 }, entropy);
    buckets.give(1, 2, 0, 15);
    buckets.give(1, 2, 0, 15);
    expect(takeAll(buckets, 60_000)).toBe(30);
    expect(takeAll(buckets, 120_000)).toBe(10);
  });

  test('a request for more tokens than there are takes none', () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 10 }, entropy);
    expect(buckets.take(1, 2, 0, 11)).toBe(false);
    expect(buckets.take(1, 2, 0, 8)).toBe(true);
    expect(buckets.take(1, 2, 0, 3)).toBe(false);
    expect(takeAll(buckets, 0)).toBe(2);
  });

  test('never gives more than burst and refill, whatever the requests', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }), (steps) => {
        const buckets = new TokenBuckets({ perSecond: 3, burst: 5 }, entropy);
        let now = 0;
        let taken = 0;
        for (const step of steps) {
          now += step;
          if (buckets.take(1, 2, now)) taken++;
        }
        expect(taken).toBeLessThanOrEqual(5 + (now * 3) / 1000 + 0.01);
      }),
    );
  });

  test('a flood of other keys does not use up the refill of a key', () => {
    const buckets = new TokenBuckets({ perSecond: 16, burst: 256 }, entropy);
    for (let i = 0; i < 1_000_000; i++) buckets.take(i, i * 7, i / 100);
    // 1,000,000 takings over 16,384 buckets: some 61 each, of 256.
    expect(buckets.take(0xdead, 0xbeef, 10_000)).toBe(true);
  });
});
