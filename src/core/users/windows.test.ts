import { describe, expect, test } from 'vitest';
import { SeededEntropy } from '../../sim/seeded-entropy.ts';
import { UserWindows } from './windows.ts';
import type { UserWindow } from './windows.ts';

const keyOf = (user: number) => Uint32Array.of(0, 0, 0, user);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Octets by user in a window. */
function seen(windows: UserWindows, window: UserWindow, now: number): Record<number, number> {
  const { users } = windows.over(window, now);
  const entries = Array.from({ length: users.count }, (_, i) => [
    users.keys[4 * i + 3]!,
    users.received[i]! + users.sent[i]!,
  ]);
  return Object.fromEntries(entries) as Record<number, number>;
}

describe('UserWindows', () => {
  test.each([
    ['minute', MINUTE, 10 * SECOND],
    ['hour', HOUR, 5 * MINUTE],
    ['day', 24 * HOUR, HOUR],
  ] as const)('the last %s has all of it, and at most one part more', (window, length, part) => {
    const windows = new UserWindows(new SeededEntropy(1));
    const start = 12_345.6;
    windows.add(keyOf(1), 100, 0, start);
    for (let at = start; at < start + length; at += part / 10) windows.add(keyOf(2), 1, 0, at);
    expect(seen(windows, window, start + length - 1)[1]).toBe(100);
    const late = new UserWindows(new SeededEntropy(1));
    late.add(keyOf(1), 100, 0, start);
    expect(seen(late, window, start + length + part - 1)).toEqual({ 1: 100 });
    expect(seen(late, window, start + length + part)).toEqual({});
  });

  test('says how long a window has lasted', () => {
    const windows = new UserWindows(new SeededEntropy(1));
    windows.add(keyOf(1), 1, 0, 1e6);
    expect(windows.over('day', 1e6 + 25 * SECOND).ms).toBe(25 * SECOND);
    expect(windows.over('minute', 1e6 + 25 * SECOND).ms).toBe(25 * SECOND);
    expect(windows.over('minute', 1e6 + HOUR + 5 * SECOND).ms).toBe(65 * SECOND);
    expect(windows.over('hour', 1e6 + 3 * HOUR + 5 * SECOND).ms).toBe(HOUR + 5 * SECOND);
    expect(windows.over('day', 1e6 + 100 * HOUR + SECOND).ms).toBe(24 * HOUR + SECOND);
  });

  test('adds up what the parts have counted', () => {
    const windows = new UserWindows(new SeededEntropy(1));
    let now = 0;
    for (; now < 26 * HOUR; now += 7 * SECOND) windows.add(keyOf(1), 7, 14, now);
    for (const window of ['minute', 'hour', 'day'] as const) {
      const { users, ms } = windows.over(window, now);
      expect(users.error).toBe(0);
      expect(Math.abs(users.received[0]! - ms / SECOND)).toBeLessThanOrEqual(7);
      expect(users.sent[0]).toBe(2 * users.received[0]!);
    }
  });

  test('after a long silence all is forgotten at once', () => {
    const windows = new UserWindows(new SeededEntropy(1));
    windows.add(keyOf(1), 1, 0, 0);
    expect(seen(windows, 'day', 1e13)).toEqual({});
    windows.add(keyOf(2), 3, 4, 1e13 + 1);
    expect(seen(windows, 'day', 1e13 + MINUTE)).toEqual({ 2: 7 });
  });
});
