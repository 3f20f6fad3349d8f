import { expect, test } from 'vitest';
import { canRedraw } from './watch.ts';

test.each([
  [true, 'xterm-256color', true],
  [true, 'linux', true],
  [true, 'dumb', false],
  [true, '', false],
  [true, undefined, false],
  [false, 'xterm', false],
])('output to a terminal: %s, of the kind %s: redrawn in place: %s', (isTerminal, kind, isRedrawn) => {
  expect(canRedraw(isTerminal, kind)).toBe(isRedrawn);
});
