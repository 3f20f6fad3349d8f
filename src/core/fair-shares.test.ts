import { describe, expect, test } from 'vitest';
import { seededEntropy } from '../../test/support/client-rig.ts';
import { FairShares } from './fair-shares.ts';

const LIMITS = { perSecond: 10, burst: 50 };

/** Takes tokens until it is refused; returns their number. */
function takeAll(shares: FairShares, path: readonly number[], now = 0, group = 0): number {
  let taken = 0;
  while (shares.take(group, path, now)) taken++;
  return taken;
}

describe('one level', () => {
  const shares = (weight = 1): FairShares => new FairShares(LIMITS, [weight], seededEntropy());

  test.each([
    [0.5, 16],
    [1, 25],
    [4, 39],
  ])('a heavy sender of weight %f takes %i of 50', (weight, most) => {
    expect(takeAll(shares(weight), [1])).toBeCloseTo(most, -0.5);
  });

  test('40 heavy senders have a token each, and leave one', () => {
    const budget = shares();
    const taken = Array.from({ length: 40 }, () => 0);
    for (let round = 0; round < 50; round++)
      taken.forEach((_, member) => void (budget.take(0, [member], 0) && taken[member]!++));
    expect(Math.min(...taken)).toBe(1);
    expect(Math.max(...taken)).toBeLessThanOrEqual(2);
    expect(budget.take(0, [99], 0)).toBe(true);
  });

  test('a member without usage for three time constants gets a token at once, whatever 60 heavy senders take', () => {
    const budget = shares();
    let served = 0;
    for (let now = 0; now < 120_000; now += 10) {
      for (let member = 0; member < 60; member++) budget.take(0, [member], now);
      if (now >= 60_000 && now % 1_000 === 0 && budget.take(0, [1_000 + now], now)) served++;
    }
    expect(served).toBe(60);
  });

  test('all members together get no more than the bucket holds', () => {
    const budget = shares();
    let taken = 0;
    for (let now = 0; now < 100_000; now += 10) if (budget.take(0, [now], now)) taken++;
    expect(taken).toBeLessThanOrEqual(50 + 10 * 100);
    expect(taken).toBeGreaterThan(40 + 10 * 99);
  });

  test('a bucket that never fills gives no tokens', () => {
    const none = new FairShares({ perSecond: 0, burst: 0 }, [1], seededEntropy());
    expect(none.take(0, [1], 1_000)).toBe(false);
  });
});

describe('more levels', () => {
  const shares = (): FairShares => new FairShares(LIMITS, [4, 1], seededEntropy());

  test('many members of one network get no more than the network', () => {
    const budget = shares();
    let taken = 0;
    for (let member = 0; member < 1_000; member++) if (budget.take(0, [1, member], 0)) taken++;
    expect(taken).toBe(40);
    expect(takeAll(budget, [2, 1])).toBeGreaterThanOrEqual(2);
  });

  test('usage counts by path: the same member below another network has used nothing', () => {
    const budget = shares();
    takeAll(budget, [1, 7]);
    expect(budget.take(0, [1, 7], 0)).toBe(false);
    expect(budget.take(0, [2, 7], 0)).toBe(true);
  });
});

describe('groups', () => {
  test('each has its own bucket; answers give used tokens back', () => {
    const budget = new FairShares(LIMITS, [1], seededEntropy(), 1_024);
    const first = takeAll(budget, [7], 0, 1);
    expect(takeAll(budget, [7], 0, 2)).toBe(first);
    const taken = Array.from({ length: first }, () => 0);
    budget.give(1, 0, first);
    budget.forgive(1, [7], taken, 0);
    expect(takeAll(budget, [7], 0, 1)).toBe(first);
  });

  test('a late answer gives back only the part of the usage that still counts', () => {
    const [late, never] = [1, 2].map(() => new FairShares(LIMITS, [1, 1], seededEntropy()));
    for (const budget of [late, never]) for (let i = 0; i < 10; i++) budget!.take(0, [1, 2], 0);
    for (let i = 0; i < 4; i++) late!.take(0, [1, 1], 0);
    late!.forgive(0, [1, 1], [0, 0, 0, 0], 10_000);
    expect(takeAll(late!, [1, 3], 10_000)).toBe(takeAll(never!, [1, 3], 10_000));
  });

  test('tokens may be octets', () => {
    const budget = new FairShares({ perSecond: 1_000_000, burst: 2_000_000 }, [1], seededEntropy());
    for (let packet = 0; packet < 2_000; packet++)
      for (let member = 0; member < 30; member++) budget.take(0, [member], 0, 1_280);
    for (let packet = 0; packet < 15; packet++) expect(budget.take(0, [99], 0, 1_280)).toBe(true);
  });
});

test('the order in which members take and are forgiven does not matter', () => {
  const members = Array.from({ length: 200 }, (_, i) => [i % 7, i % 13, i]);
  const [inTurn, mixed] = [1, 2].map(
    () => new FairShares({ perSecond: 0.001, burst: 1e6 }, [4, 4, 4], seededEntropy()),
  );
  for (const path of members)
    for (let i = 0; i < 3; i++) {
      inTurn!.take(0, path, 0);
      if (i > 0) inTurn!.forgive(0, path, [0], 0);
    }
  for (let i = 0; i < 3; i++) for (const path of members) mixed!.take(0, path, 0);
  for (let i = 1; i < 3; i++) for (const path of members.toReversed()) mixed!.forgive(0, path, [0], 0);
  const left = (shares: FairShares): number[] => members.map((path) => takeAll(shares, path));
  const [a, b] = [left(inTurn!), left(mixed!)];
  a.forEach((taken, i) => expect(b[i]).toBeCloseTo(taken, -1));
});
