import { expect, test } from 'vitest';
import { pooledEntropy } from './pooled-entropy.ts';

/** Counts up from 1, so that each octet of a pool is another one. */
function counting() {
  const state = { next: 1, calls: 0, pools: [] as Uint8Array[] };
  const generate = (target: Uint8Array): void => {
    state.calls++;
    state.pools.push(target);
    for (let i = 0; i < target.length; i++) target[i] = state.next++ & 0xff;
  };
  return { state, generate };
}

test('each octet is given once', () => {
  const { state, generate } = counting();
  const entropy = pooledEntropy(generate);
  const given: number[] = [];
  // 31 divides no power of two: what is left of a pool is never enough for the last request.
  for (let i = 0; i < 8; i++) {
    const target = new Uint8Array(31);
    entropy.fill(target);
    given.push(...target);
  }
  expect(state.calls).toBe(1);
  expect(new Set(given).size).toBe(given.length);
});

test('an octet that was given is not kept', () => {
  let pool!: Uint8Array;
  const entropy = pooledEntropy((target) => (pool = target.fill(7)));
  entropy.fill(new Uint8Array(40));
  expect(pool.filter((octet) => octet === 0)).toHaveLength(40);
});

test('an empty pool is filled again, and large requests go to the system', () => {
  const { state, generate } = counting();
  const entropy = pooledEntropy(generate);
  for (let i = 0; i < 65; i++) entropy.fill(new Uint8Array(16));
  expect(state.calls).toBe(2);
  const large = new Uint8Array(100);
  entropy.fill(large);
  expect(state.pools.at(-1)).toBe(large);
});

test('two arrays of the system differ', () => {
  const entropy = pooledEntropy();
  const [a, b] = [new Uint8Array(16), new Uint8Array(16)];
  entropy.fill(a);
  entropy.fill(b);
  expect(a).not.toEqual(b);
  expect(a.some((octet) => octet !== 0)).toBe(true);
});
