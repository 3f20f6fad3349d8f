import { describe, expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { FairBudget } from './fair-budget.ts';

const LIMITS = {
  shared: { perSecond: 10, burst: 100 },
  member: { perSecond: 0.5, burst: 4 },
  reserve: { perSecond: 5, burst: 20 },
};
const count = (times: number, take: () => boolean) =>
  Array.from({ length: times }, take).filter(Boolean).length;

describe('FairBudget', () => {
  test('one member alone gets the shared tokens and a few of the reserve', () => {
    const budget = new FairBudget(LIMITS, new SeededEntropy(1));
    expect(count(1_000, () => budget.take(0, 1, 5, 0))).toBe(104);
  });

  test('beside a heavy sender a light one is served', () => {
    const budget = new FairBudget(LIMITS, new SeededEntropy(1));
    let served = 0;
    for (let now = 0; now < 60_000; now += 10) {
      count(10, () => budget.take(0, 1, 666, now));
      if (now % 4_000 === 0 && budget.take(0, 1, 7, now)) served++;
    }
    expect(served).toBe(15);
  });

  test('many heavy senders get no more than the reserve', () => {
    const budget = new FairBudget(LIMITS, new SeededEntropy(1));
    let member = 0;
    expect(count(10_000, () => budget.take(0, 1, member++, 0))).toBe(120);
  });

  test('each group has its own tokens, and answers refill them', () => {
    const budget = new FairBudget(LIMITS, new SeededEntropy(1));
    count(1_000, () => budget.take(0, 1, 5, 0));
    expect(budget.take(0, 2, 5, 0)).toBe(true);
    expect(budget.take(0, 1, 5, 0)).toBe(false);
    budget.give(0, 1, 0, 3);
    expect(count(10, () => budget.take(0, 1, 5, 0))).toBe(3);
  });
});
