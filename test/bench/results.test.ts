import { expect, test } from 'vitest';
import { Results } from '../../bench/result/results.ts';
import { median } from '../../bench/result/statistics.ts';
import type { Facts } from '../../bench/machine/facts.ts';

test('a division by no packets gives no figure: the row fails, and the value hides in no median', () => {
  const results = Results.of({} as Facts, { alternations: 3, seconds: 1, quick: true });
  results.add('rate', 'user', 7);
  for (const [packets, seconds] of [
    [0, 0],
    [1, 0],
  ] as const)
    expect(() => results.add('rate', 'user', packets / seconds)).toThrow(
      'rate, user: the measurement has no result',
    );
  results.add('rate', 'user', 9);
  expect(median(results.values('rate', 'user'))).toBe(8);
});
