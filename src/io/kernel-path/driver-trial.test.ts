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

test('a driver that sends none loses three answers, one at a time, and gives no more', () => {
  const { allowed, why } = looks([0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [3, 3], [3, 3], [3, 3]);
  expect(allowed).toEqual([1, 0, 1, 0, 1, 0, 0, 0]);
  expect(why).toBe('the driver does not send the answers');
});

test('so does one that sent answers before; a few lost ones change nothing', () => {
  const { allowed, why } = looks(
    ...([
      [0, 0],
      [1, 0],
      [101, 40],
      [201, 90],
      [201, 90],
      [202, 91],
      [202, 91],
      [203, 92],
    ] as const),
  );
  expect(allowed).toEqual([1, undefined, undefined, 0, 1, 0, 1, 0]);
  expect(why).toBe('the driver does not send the answers');
});

test('a packet of another program that is lost in the second of a lone answer ends nothing', () => {
  const { allowed, why } = looks([0, 0], [9_000, 0], [9_001, 1], [9_001, 1], [9_002, 1], [9_900, 1]);
  expect(allowed).toEqual([1, undefined, 0, 1, undefined, undefined]);
  expect(why).toBeUndefined();
});

test('nor do packets of others that are lost all the time: one answer at a time is tried, until one is sent', () => {
  const lossy = Array.from({ length: 20 }, (_, i) => [Math.ceil(i / 2), 5 * i] as const);
  const { allowed, why } = looks([0, 0], [0, 0], ...lossy.slice(1), [11, 95], [5_000, 95]);
  expect(allowed.slice(2)).toEqual([
    ...lossy.slice(1).map((_, i) => (i % 2 === 0 ? 0 : 1)),
    undefined,
    undefined,
  ]);
  expect(why).toBeUndefined();
});
