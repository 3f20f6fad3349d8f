import { expect, test } from 'vitest';
import { findGenerators } from '../../bench/generators.ts';

const find = (...rates: number[]) =>
  findGenerators(rates.length, (count) => Promise.resolve(rates[count - 1]!));

test('stops when another generator adds less than 5 %, with the number that gave the most', async () => {
  expect(await find(100, 104, 200)).toEqual({ count: 2, isBound: false });
  expect(await find(100, 90, 200)).toEqual({ count: 1, isBound: false });
  expect(await find(100, 150, 152, 500)).toEqual({ count: 3, isBound: false });
});

test('says generator-bound when even the last one added 5 % or more', async () => {
  expect(await find(100, 150, 200)).toEqual({ count: 3, isBound: true });
  expect(await find(100, 105)).toEqual({ count: 2, isBound: true });
  expect(await find(100)).toEqual({ count: 1, isBound: true });
});

test('a rate that is not a number ends the search', async () => {
  expect(await find(100, NaN, 300)).toEqual({ count: 1, isBound: false });
});
