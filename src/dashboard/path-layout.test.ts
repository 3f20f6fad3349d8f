import { expect, test } from 'vitest';
import type { ClientStatus } from '../control/status.ts';
import { layOut, wrapped } from './path-layout.ts';
import { pathOf } from './path-model.ts';

const path = pathOf({
  role: 'client',
  state: 'qualified',
  nat: 'cone',
  interface: '',
} as unknown as ClientStatus);

test.for([280, 619, 620, 1_200])('all boxes are within a picture %d wide, and do not overlap', (width) => {
  const { boxes, height } = layOut(path, width);
  expect(boxes.size).toBe(path.nodes.length);
  const all = [...boxes.values()];
  for (const [i, one] of all.entries()) {
    expect(one.x >= 0 && one.x + one.width <= width && one.y + one.height <= height).toBe(true);
    for (const other of all.slice(i + 1)) {
      const apart =
        one.x + one.width <= other.x ||
        other.x + other.width <= one.x ||
        one.y + one.height <= other.y ||
        other.y + other.height <= one.y;
      expect(apart).toBe(true);
    }
  }
});

test('a long text is cut where it has a separator', () => {
  expect(wrapped('2001:0:cb00:7178:0:3a5c:3f57:fe9c', 20, 3)).toEqual([
    '2001:0:cb00:7178:0:',
    '3a5c:3f57:fe9c',
  ]);
  expect(wrapped('abcdefghij', 4, 2)).toEqual(['abcd', 'efg…']);
  expect(wrapped('short', 20, 2)).toEqual(['short']);
});
