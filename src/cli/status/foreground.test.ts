import { expect, test } from 'vitest';
import { ownsTerminal } from './foreground.ts';

test.each([
  ['its group is in the foreground', '7 (node) S 6 7 5 34816 7 4194304', true],
  ['another group is', '7 (node) S 6 7 5 34816 5 4194304', false],
  ['it has no terminal', '7 (node) S 6 7 7 0 -1 4194304', true],
  ['its name looks like fields', '7 (a) S 1 1 1 0 9 (b)) S 6 7 5 34816 7 4194304', true],
])('%s', (_, stat, owns) => {
  expect(ownsTerminal(stat)).toBe(owns);
});
