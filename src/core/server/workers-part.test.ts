import { expect, test } from 'vitest';
import type { FairLimits } from '../fair-budget.ts';
import {
  MAX_ICMPV6_BYTES,
  SERVER_LIMITS,
  forwardingCost,
  indivisibleBurst,
  partOf,
  workersPart,
} from './limits.ts';
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

/** All bursts of a group of limits. */
const fair = (burst: number): FairLimits => {
  const limits = { perSecond: 1, burst };
  return { shared: limits, member: limits, reserve: limits };
};

test('workers beside the kernel, with the smallest limits that can be divided: never more than the limit', () => {
  const limits = { ...SERVER_LIMITS, forwarded: fair(32), forwardedIcmp: fair(80), native: fair(80) };
  expect(indivisibleBurst(limits, 8)).toBeUndefined();
  const part = partOf(workersPart(limits, 8), { answers: 1 / 4, forwarded: 1 / 4 });
  const kernel = partOf(limits, { answers: 3 / 4, forwarded: 3 / 4 });
  expect(8 * part.forwarded.shared.burst + kernel.forwarded.shared.burst).toBe(32);
  expect(8 * part.native.shared.burst).toBe(80);
});

test.each(COUNTS.slice(1))(
  'each of %d workers can forward the longest packet, or the burst is refused',
  (workers) => {
    for (const name of ['forwardedIcmp', 'native'] as const)
      for (let burst = 1; burst <= 10 * workers; burst++) {
        const limits: ServerLimits = { ...SERVER_LIMITS, [name]: fair(burst) };
        if (indivisibleBurst(limits, workers) !== undefined) continue;
        const part = partOf(workersPart(limits, workers), { answers: 1 / 4, forwarded: 1 / 4 })[name];
        expect(part.shared.burst).toBeGreaterThanOrEqual(forwardingCost(MAX_ICMPV6_BYTES));
      }
  },
);

test('a burst that is too small to be divided is named; none at all stays none', () => {
  const { native } = SERVER_LIMITS;
  const withReserve = (burst: number): ServerLimits => ({
    ...SERVER_LIMITS,
    native: { ...native, reserve: { perSecond: 1, burst } },
  });
  expect(indivisibleBurst(withReserve(79), 8)).toEqual({
    name: 'native.reserve.burst',
    value: 79,
    least: 80,
  });
  expect(indivisibleBurst(withReserve(79), 1)).toBeUndefined();
  expect(indivisibleBurst(withReserve(0), 8)).toBeUndefined();
  expect(workersPart(withReserve(0), 8).native.reserve.burst).toBe(0);
  for (const workers of COUNTS) expect(indivisibleBurst(SERVER_LIMITS, workers)).toBeUndefined();
});
