import { expect, test } from 'vitest';
import { visibleRows } from './visible-rows.ts';

const view = { height: 300, rowHeight: 30, count: 10_000 };

test.for([
  [0, { from: 0, to: 16 }],
  [3_000, { from: 94, to: 116 }],
  [10_000 * 30 - 300, { from: 9_978, to: 10_000 }],
  [-50, { from: 0, to: 16 }],
] as const)('scrolled by %d', ([scrolled, rows]) => {
  expect(visibleRows({ ...view, scrolled })).toEqual(rows);
});

test('a table that has become shorter than it was scrolled has rows to show', () => {
  expect(visibleRows({ ...view, scrolled: 200_000, count: 20 })).toEqual({ from: 0, to: 20 });
  expect(visibleRows({ ...view, scrolled: 200_000, count: 0 })).toEqual({ from: 0, to: 0 });
});
