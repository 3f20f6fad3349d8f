import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue } from './event-queue.ts';

test('events are returned by time, those of one instant in the order in which they were added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const queue = new EventQueue();
      const seen: [number, number][] = [];
      times.forEach((at, i) => queue.push(at, () => seen.push([at, i])));
      for (let event = queue.pop(); event !== undefined; event = queue.pop()) event.run?.();
      const wanted = times.map((at, i) => [at, i]).toSorted((a, b) => a[0]! - b[0]! || a[1]! - b[1]!);
      expect(seen).toEqual(wanted);
    }),
  );
});

test('a cancelled event is not returned', () => {
  const queue = new EventQueue();
  const event = queue.push(1, () => {});
  queue.push(2, () => {});
  event.run = undefined;
  expect(queue.peek()).toBe(2);
  expect(queue.pop()?.at).toBe(2);
  expect(queue.pop()).toBeUndefined();
  expect(queue.size).toBe(0);
});
