import { expect, test } from 'vitest';
import { counted } from './counted.ts';

test.for([
  [0, 'peer', '0 peers'],
  [1, 'peer', '1 peer'],
  [2_048, 'prefix', '2,048 prefixes'],
  [1, 'address', '1 address'],
  [3, 'address', '3 addresses'],
] as const)('%i %s', ([count, noun, words]) => expect(counted(count, noun)).toBe(words));
