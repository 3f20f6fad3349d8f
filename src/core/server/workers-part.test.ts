import { expect, test } from 'vitest';
import type { FairLimits } from '../fair-budget.ts';
import { SERVER_LIMITS, indivisibleBurst, partOf, workersPart } from './limits.ts';
import type { ServerLimits } from './limits.ts';

const BY_SOURCE = ['answers', 'forwardedByPair', 'forwardedIcmpByPair', 'nativeByClient'] as const;
const BY_DESTINATION = ['forwarded', 'forwardedIcmp', 'native'] as const;
const COUNTS = [1, 2, 3, 8];

/** Of all workers together, for one destination. */
function sums({ shared, reserve }: FairLimits, workers: number): number[] {
  return [shared.perSecond, shared.burst, reserve.perSecond, reserve.burst].map((part) => part * workers);
}

test.each(COUNTS)(
  '%d workers: limits by source are whole, those by destination are whole for all together',
  (workers) => {
    const part = workersPart(SERVER_LIMITS, workers);
    for (const name of BY_SOURCE) expect(part[name]).toEqual(SERVER_LIMITS[name]);
    for (const name of BY_DESTINATION) {
      for (const [i, sum] of sums(part[name], workers).entries())
        expect(sum, name).toBeCloseTo(sums(SERVER_LIMITS[name], 1)[i]!);
      expect(part[name].member).toEqual(SERVER_LIMITS[name].member);
    }
  },
);

test('workers beside the kernel, with the smallest limits that can be divided: never more than the limit', () => {
  const small = { perSecond: 1, burst: 32 };
  const fair = { shared: small, member: small, reserve: small };
  const limits: ServerLimits = { ...SERVER_LIMITS, forwarded: fair, forwardedIcmp: fair, native: fair };
  expect(indivisibleBurst(limits, 8)).toBeUndefined();
  const part = partOf(workersPart(limits, 8), { answers: 1 / 4, forwarded: 1 / 4 });
  const kernel = partOf(limits, { answers: 3 / 4, forwarded: 3 / 4 });
  expect(8 * part.forwarded.shared.burst + kernel.forwarded.shared.burst).toBe(32);
  expect(8 * part.native.shared.burst).toBe(32);
});

test('a burst that is too small to be divided is named; none at all stays none', () => {
  const { native } = SERVER_LIMITS;
  const withReserve = (burst: number): ServerLimits => ({
    ...SERVER_LIMITS,
    native: { ...native, reserve: { perSecond: 1, burst } },
  });
  expect(indivisibleBurst(withReserve(31), 8)).toEqual({
    name: 'native.reserve.burst',
    value: 31,
    least: 32,
  });
  expect(indivisibleBurst(withReserve(31), 1)).toBeUndefined();
  expect(indivisibleBurst(withReserve(0), 8)).toBeUndefined();
  expect(workersPart(withReserve(0), 8).native.reserve.burst).toBe(0);
  for (const workers of COUNTS) expect(indivisibleBurst(SERVER_LIMITS, workers)).toBeUndefined();
});
