import { expect, test } from 'vitest';
import { Times } from './times.ts';

const DAY_MS = 86_400_000;

test('each slot has its own time, in eighths of a millisecond', () => {
  const times = new Times();
  expect(times.at(5)).toBe(-Infinity);
  const kept = [0, 0.125, -3, 1_000.99, 123_456_789, 123_456_790];
  kept.forEach((time, i) => times.set(i * 10_000, time));
  expect(kept.map((_, i) => times.at(i * 10_000))).toEqual([
    0, 0.125, -3, 1_000.875, 123_456_789, 123_456_790,
  ]);
  expect(times.at(1)).toBe(-Infinity);
  times.clear(0);
  times.set(10_000, -Infinity);
  expect([times.at(0), times.at(10_000), times.at(20_000)]).toEqual([-Infinity, -Infinity, -3]);
});

test.each([0, 5 * DAY_MS, 1e12, -2 * DAY_MS])('whatever the clock says: %d', (begin) => {
  const times = new Times();
  let wrong = 0;
  for (let hour = 0; hour < 2_000; hour++) {
    const now = begin + hour * 3_600_000;
    times.set(hour % 100, now);
    for (let ago = 0; ago < Math.min(hour, 99); ago++)
      if (times.at((hour - ago) % 100) !== now - ago * 3_600_000) wrong++;
  }
  expect(wrong).toBe(0);
});

test('with its age limited each hour a time stays one of long ago, however long the others go on', () => {
  const times = new Times();
  times.set(0, 1_000);
  for (let now = 1_000; now < 60 * DAY_MS; now += 3_600_000) {
    times.set(1, now);
    times.limitAge(0, now);
    times.limitAge(2, now);
    expect(now - times.at(0)).toBeGreaterThanOrEqual(Math.min(now - 1_000, 3 * DAY_MS));
    expect(times.at(2)).toBe(-Infinity);
  }
});

test('in a column in which no time is set for 7 days an old time does not become a new one', () => {
  const times = new Times();
  times.set(0, 1_000);
  const end = 2 ** 32 / 8 + 1_500;
  for (let now = 1_000; now < end; now += 3_600_000) times.limitAge(0, now);
  times.set(1, end);
  expect(end - times.at(0)).toBeGreaterThanOrEqual(3 * DAY_MS - 3_600_000);
});

test('after a process has stood still for 7 days all times are old', () => {
  const times = new Times();
  times.set(0, 1_000);
  times.set(1, 2_000);
  const end = 2 ** 32 / 8 + 1_500;
  times.limitAge(0, end);
  times.set(2, end);
  expect([0, 1].map((slot) => end - times.at(slot) >= 3 * DAY_MS)).toEqual([true, true]);
  expect(times.at(2)).toBe(Math.floor(end * 8) / 8);
});
