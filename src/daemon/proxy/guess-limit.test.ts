import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { GuessLimit } from './guess-limit.ts';
import type { SourcePath } from './source-path.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const GUESSER: SourcePath = [0x2a000001, 2, 0x20003];

/** So many guesses; returns how many of them were looked at. */
function guess(limit: GuessLimit, source: SourcePath, count: number): number {
  let heard = 0;
  const isRight = (): boolean => {
    heard++;
    return false;
  };
  for (let i = 0; i < count; i++) limit.check(source, isRight);
  return heard;
}

const isHeard = (limit: GuessLimit, source: SourcePath): boolean => limit.check(source, () => true);

test('a source that has guessed often is not heard, even with the right password; others are', () => {
  const limit = new GuessLimit();
  expect(guess(limit, GUESSER, 2_048)).toBeLessThanOrEqual(20);
  expect(isHeard(limit, GUESSER)).toBe(false);
  const others: readonly SourcePath[] = [
    [0x2a000001, 2, 0x20004],
    [0x2a000001, 3, 0x30003],
    [0x2a000002, 2, 0x20003],
  ];
  for (const other of others) expect(isHeard(limit, other)).toBe(true);
});

test('all sources of a /48 together do not use up what another /48 has', () => {
  const limit = new GuessLimit();
  let heard = 0;
  for (let i = 0; i < 1_000; i++) heard += guess(limit, [GUESSER[0], 2, i], 10);
  expect(heard).toBeLessThanOrEqual(40);
  expect(isHeard(limit, [GUESSER[0], 3, 7])).toBe(true);
});

test('after a while the source is heard again; it guesses fewer than 20,000 passwords a day, and not 2,048 a second', () => {
  const limit = new GuessLimit();
  guess(limit, GUESSER, 100);
  vi.advanceTimersByTime(3_600_000);
  expect(isHeard(limit, GUESSER)).toBe(true);
  let heard = 0;
  for (let minute = 0; minute < 1_440; minute++) {
    vi.advanceTimersByTime(60_000);
    heard += guess(limit, GUESSER, 100);
  }
  expect(heard).toBeLessThan(20_000);
});

test('right passwords cost nothing, and one wrong one in between little', () => {
  const limit = new GuessLimit();
  for (let i = 0; i < 1_000; i++) {
    expect(isHeard(limit, GUESSER)).toBe(true);
    if (i % 500 === 0) guess(limit, GUESSER, 1);
  }
});
