import { expect, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { Turns } from './turns.ts';

test('one after the other; what waits at the end does not begin', async () => {
  const turns = new Turns(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const work = (i: number) => async (): Promise<void> => {
    begun.push(i);
    await new Promise<void>((resolve) => ends.push(resolve));
  };
  expect(turns.isIdle).toBe(true);
  expect([0, 1, 2, 3].map((i) => turns.add(work(i)))).toEqual([true, true, true, false]);
  expect(begun).toEqual([0]);
  ends[0]!();
  await eventually(() => expect(begun).toEqual([0, 1]));
  turns.stop();
  ends[1]!();
  await eventually(() => expect(turns.isIdle).toBe(true));
  expect(begun).toEqual([0, 1]);
});
