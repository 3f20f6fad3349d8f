import { expect, test } from 'vitest';
import { Again } from '../../bench/machine/watch.ts';
import { underLoad, whole } from '../../bench/whole.ts';

test('a crossing in which many packets got lost, or were not sent, is no measurement', () => {
  const crossing = { sent: 990, arrived: 960, seconds: 1 };
  expect(whole(crossing, 1_000)).toBe(crossing);
  expect(() => whole({ ...crossing, arrived: 940 }, 1_000)).toThrow(Again);
  expect(() => whole({ sent: 0, arrived: 0, seconds: 0 }, 1_000)).toThrow('0 of 1000 packets arrived');
});

test('work whose load ends first, or fails, is no measurement', async () => {
  const never = new Promise<never>(() => {});
  expect(await underLoad(never, Promise.resolve(7))).toBe(7);
  await expect(underLoad(Promise.resolve(), never)).rejects.toThrow(Again);
  await expect(underLoad(Promise.reject(new Error('no sender')), never)).rejects.toThrow('no sender');
});
