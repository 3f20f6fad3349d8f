import { expect, test } from 'vitest';
import { allocationOf, preservationOf } from './port-allocation.ts';

const LOCAL = [50_000, 50_001, 50_002, 50_003];

test('preserved, at times, never', () => {
  expect(preservationOf(LOCAL, LOCAL)).toBe('yes');
  expect(preservationOf(LOCAL, [50_000, 1, 2, 3])).toBe('sometimes');
  expect(preservationOf(LOCAL, [50_000, undefined, undefined, undefined])).toBe('yes');
  expect(preservationOf(LOCAL, [1, 2, 3, 4])).toBe('no');
  expect(preservationOf(LOCAL, [undefined, undefined])).toBe('unknown');
});

const ofPairs = (...pairs: [number | undefined, number | undefined][]): unknown => allocationOf(LOCAL, pairs);

test('counting, with a wrap, with ports that others got, with answers that are missing', () => {
  expect(ofPairs([40_000, 40_001], [40_002, 40_003], [40_004, 40_005], [40_006, 40_007])).toEqual({
    portAllocation: 'counting',
    portStep: 1,
  });
  expect(ofPairs([40_198, 40_199], [40_000, 40_001], [40_002, 40_003], [40_004, 40_005])).toMatchObject({
    portStep: 1,
  });
  expect(ofPairs([65_534, 0], [2, 10], [12, 14], [16, 18])).toMatchObject({ portStep: 2 });
  expect(ofPairs([40_000, undefined], [undefined, 40_003], [40_004, 40_005], [40_006, 40_007])).toMatchObject(
    {
      portAllocation: 'counting',
      portStep: 1,
    },
  );
});

test('counting down', () => {
  expect(ofPairs([9, 8], [7, 6], [5, 4], [3, 2])).toEqual({ portAllocation: 'counting', portStep: -1 });
});

test('one mapping for both destinations counts once', () => {
  expect(ofPairs([10, 10], [12, 12], [14, 14], [16, 16])).toEqual({
    portAllocation: 'counting',
    portStep: 2,
  });
});

test('random; too little to tell', () => {
  expect(ofPairs([40_000, 11_000], [52_000, 3_000], [30_000, 61_000], [1_100, 42_000])).toEqual({
    portAllocation: 'random',
  });
  expect(ofPairs([40_000, 40_001], [40_002, undefined])).toEqual({ portAllocation: 'unknown' });
  expect(ofPairs([undefined, undefined])).toEqual({ portAllocation: 'unknown' });
});
