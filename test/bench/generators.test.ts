import { expect, test } from 'vitest';
import { findGenerators } from '../../bench/generators.ts';

type Rate = number | number[];

/** `rates`: of one generator, of two, and so on; each a constant, or one value for each trial. */
function find(...rates: readonly Rate[]) {
  return search({ quick: false }, rates);
}

async function search(order: { readonly quick: boolean }, rates: readonly Rate[]) {
  const trials: number[] = [];
  const found = await findGenerators(order, rates.length, (count) => {
    const nth = trials.filter((other) => other === count).length;
    trials.push(count);
    const rate = rates[count - 1]!;
    return Promise.resolve(typeof rate === 'number' ? rate : rate[nth % rate.length]!);
  });
  return { ...found, trials };
}

test('stops when another generator adds less than 5 %, with the smaller number', async () => {
  expect(await find(100, 104, 200)).toMatchObject({ count: 1, isBound: false });
  expect(await find(100, 90, 200)).toMatchObject({ count: 1, isBound: false });
  expect(await find(100, 150, 152, 500)).toMatchObject({ count: 2, isBound: false });
});

test('says generator-bound when even the last one added 5 % or more', async () => {
  expect(await find(100, 150, 200)).toMatchObject({ count: 3, isBound: true });
  expect(await find(100, 105)).toMatchObject({ count: 2, isBound: true });
  expect(await find(100)).toMatchObject({ count: 1, isBound: true });
});

test('a rate that is not a number ends the search', async () => {
  expect(await find(100, NaN, 300)).toMatchObject({ count: 1, isBound: false });
});

test('one trial that is out of line does not decide, whether it is the first or the second', async () => {
  expect(await find([60, 100, 100], 95)).toMatchObject({ count: 1 });
  expect(await find([100, 60, 100], 95)).toMatchObject({ count: 1 });
  expect(await find(100, [70, 120, 120])).toMatchObject({ count: 2 });
  expect(await find(100, [120, 70, 120])).toMatchObject({ count: 2 });
});

test('numbers are tried in turn, each one first as often as the other, and no longer than the median is open', async () => {
  expect((await find(100, 90)).trials).toEqual([1, 2, 2, 1]);
  expect((await find(100, [120, 90, 90])).trials).toEqual([1, 2, 2, 1, 1, 2]);
  expect((await find(100, 120, 90)).trials).toEqual([1, 2, 2, 1, 2, 3, 3, 2]);
});

test('a short form tries two generators at most, and each number once', async () => {
  expect(await search({ quick: true }, [100, 120, 200])).toEqual({ count: 2, isBound: true, trials: [1, 2] });
  expect(await search({ quick: true }, [100, [90, 200]])).toEqual({
    count: 1,
    isBound: false,
    trials: [1, 2],
  });
});
