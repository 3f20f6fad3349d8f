import { expect, onTestFinished, test, vi } from 'vitest';
import { Flooders } from './flooders.ts';

test('a user that floods is kept out for 2 s; one that is refused now and then is not', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const reported: (readonly number[])[] = [];
  const flooders = new Flooders((uids) => reported.push(uids));
  for (let i = 0; i < 50; i++) flooders.note(1000, i);
  for (let i = 0; i < 1_000; i++) flooders.note(1001, i * 21);
  expect(reported).toEqual([]);
  flooders.note(1000, 100);
  expect(reported).toEqual([[1000]]);
  flooders.note(1000, 101);
  vi.advanceTimersByTime(1_999);
  expect(reported).toEqual([[1000]]);
  vi.advanceTimersByTime(1);
  expect(reported).toEqual([[1000], []]);
});

test('there is a limit on how many users are looked at and kept out', () => {
  let kept = 0;
  const flooders = new Flooders((uids) => (kept = uids.length));
  onTestFinished(() => flooders.close());
  for (let uid = 0; uid < 1_000; uid++) for (let i = 0; i < 200; i++) flooders.note(uid, 0);
  expect(kept).toBe(32);
});
