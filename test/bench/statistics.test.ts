import { expect, test } from 'vitest';
import { differences, median, quantile, ratios, spread } from '../../bench/result/statistics.ts';

test('median and quartiles, in any order, interpolated', () => {
  expect(spread([7, 1, 3, 5, 9, 11, 13])).toEqual({ low: 4, median: 7, high: 10 });
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(quantile([10, 20], 0.99)).toBeCloseTo(19.9);
  expect(median([])).toBeNaN();
});

test('ratios and differences are those of one alternation each', () => {
  expect(ratios([10, 30], [5, 10])).toEqual([2, 3]);
  expect(differences([10, 30], [5, 10])).toEqual([5, 20]);
  // A run that was stopped may have one value more of the first seat.
  expect(ratios([10, 30, 7], [5, 10])).toEqual([2, 3]);
  expect(ratios([10], [5, 10])).toEqual([2]);
});
