import { expect, test } from 'vitest';
import { ProcessorBudget } from './processor-budget.ts';

test('a task that was idle works for 100 ms without rest; after that it gets a sixteenth of the time', () => {
  const budget = new ProcessorBudget(1 / 16, 100);
  let [now, worked] = [0, 0];
  while (now < 100) {
    expect(budget.spend(4, now)).toBe(0);
    now += 4;
    worked += 4;
  }
  const [from, before] = [now, worked];
  while (now < from + 60_000) {
    now += 4 + budget.spend(4, now);
    worked += 4;
  }
  expect((worked - before) / (now - from)).toBeCloseTo(1 / 16, 2);
});

test('no more than the limit is saved', () => {
  const budget = new ProcessorBudget(1 / 16, 100);
  budget.spend(100, 0);
  expect(budget.spend(101, 3_600_000)).toBeCloseTo(16);
});
