import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nthSmallest } from './nth-smallest.ts';

test('is the value at that place of the sorted values', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { minLength: 1, maxLength: 600 }), fc.nat(), (values, at) => {
      const n = at % values.length;
      expect(nthSmallest(Float64Array.from(values), n)).toBe(values.toSorted((a, b) => a - b)[n]);
    }),
  );
});
