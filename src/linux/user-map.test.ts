import { expect, test } from 'vitest';
import { isInMap } from './user-map.ts';

test.for([
  ['         0          0 4294967295\n', 65_534, true],
  ['         0       1000          1\n', 0, true],
  ['         0       1000          1\n', 65_534, false],
  ['         0       1000          1\n      1000          0          2\n', 1_001, true],
  ['', 0, false],
] as const)('in the map %j, user %i: %s', ([map, id, expected]) => {
  expect(isInMap(map, id)).toBe(expected);
});
