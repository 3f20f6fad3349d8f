import { expect, test } from 'vitest';
import { DriverTrial } from './driver-trial.ts';

function looks(...counts: readonly (readonly [answered: number, sendDrops: number])[]) {
  const trial = new DriverTrial();
  const allowed = counts.map(([answered, sendDrops]) => trial.look({ answered, sendDrops }));
  return { allowed, why: trial.why };
}

test('one answer at a time, until one has been sent; then any number', () => {
  const { allowed, why } = looks([7, 3], [7, 3], [7, 9], [8, 9], [8_000, 9]);
  expect(allowed).toEqual([1, 1, 1, undefined, undefined]);
  expect(why).toBeUndefined();
});

test('an answer that was not sent is the last one', () => {
  const { allowed, why } = looks([0, 0], [1, 1], [1, 1], [1, 1]);
  expect(allowed).toEqual([1, 0, 0, 0]);
  expect(why).toBe('the driver does not send the answers');
});

test('so is the second in which half of the answers was not sent; a few lost ones change nothing', () => {
  expect(looks([0, 0], [1, 0], [101, 40], [201, 90]).allowed).toEqual([1, undefined, undefined, 0]);
});
