import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { HashKey } from './hash.ts';
import { PeerIndex } from './peer-index.ts';

const MOST = 600;

/** Keys that share some words. */
function keyOf(n: number): [number, number, number, number] {
  return [0x20010000, n & 1, n >>> 1, n];
}

test('finds exactly the slots that are in it, whenever it grows', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'add', 'add', 'remove', 'grow', 'move'),
    n: fc.integer({ min: 0, max: MOST - 1 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1_500 }), fc.integer(), (steps, seed) => {
      const index = new PeerIndex(new Uint32Array(MOST * 4), new HashKey(new SeededEntropy(seed)));
      for (let n = 0; n < MOST; n++) index.words.set(keyOf(n), n * 4);
      const slots = new Set<number>();
      let room = 8;
      index.grow(room);
      for (const { what, n } of steps) {
        if (what === 'remove' && slots.delete(n)) index.remove(n);
        if (what === 'move' && index.isMoving) index.move();
        if (what === 'grow' && !index.isMoving && room < MOST) index.grow((room *= 2));
        if (what !== 'add' || slots.has(n) || slots.size === room) continue;
        index.add(n);
        slots.add(n);
      }
      for (let n = 0; n < MOST; n++) expect(index.find(...keyOf(n))).toBe(slots.has(n) ? n : -1);
    }),
    { numRuns: 300 },
  );
});

test('an empty one finds nothing', () => {
  const index = new PeerIndex(new Uint32Array(4), new HashKey(new SeededEntropy(1)));
  expect(index.find(0, 0, 0, 0)).toBe(-1);
});

test('one step of moving is a small part, whatever the size', () => {
  const slots = 100_000;
  const index = new PeerIndex(new Uint32Array(slots * 4), new HashKey(new SeededEntropy(1)));
  for (let n = 0; n < slots; n++) index.words.set(keyOf(n), n * 4);
  index.grow(slots);
  for (let n = 0; n < slots; n++) index.add(n);
  index.grow(slots * 2);
  let steps = 0;
  for (; index.isMoving; steps++) index.move();
  expect(steps).toBeGreaterThan(500);
  for (let n = 0; n < slots; n += 97) expect(index.find(...keyOf(n))).toBe(n);
});
