import { expect, test } from 'vitest';
import { Recent } from './recent.ts';

test('a value is kept for the lifetime, and at most twice as long while others are added', () => {
  const recent = new Recent<string>(100, 1_000);
  recent.set(1, 'one', 0);
  recent.set(2, 'two', 99);
  recent.set(2, 'three', 199);
  expect([recent.get(1), recent.get(2)]).toEqual(['one', 'three']);
  recent.set(3, 'four', 299);
  expect([recent.get(1), recent.get(2), recent.get(3)]).toEqual([undefined, 'three', 'four']);
});

test('the number is limited, and the latest values are kept', () => {
  const recent = new Recent<number>(1e9, 1_000);
  for (let i = 0; i < 10_000; i++) {
    recent.set(i, i, 0);
    expect(recent.size).toBeLessThanOrEqual(1_000);
  }
  for (let i = 9_501; i < 10_000; i++) expect(recent.get(i)).toBe(i);
});

test('the cost of a new key does not grow with the number of keys', () => {
  const recent = new Recent<number>(2_000, 16_384);
  const begun = performance.now();
  for (let i = 0; i < 400_000; i++) recent.set(i, i, i / 20);
  expect(performance.now() - begun).toBeLessThan(2_000);
});
