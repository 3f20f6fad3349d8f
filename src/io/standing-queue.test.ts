import { expect, test } from 'vitest';
import { StandingQueue } from './standing-queue.ts';

/** The times of marks, of packets that leave one each ms from `from` to `to` after `waited` ms. */
function marked(queue: StandingQueue, from: number, to: number, waited: number): number[] {
  const times = Array.from({ length: to - from }, (_, i) => from + i);
  return times.filter((now) => queue.isDue(now, waited));
}

test('a short wait is never marked', () => {
  expect(marked(new StandingQueue(), 0, 10_000, 4.9)).toEqual([]);
});

test('a burst that is gone within 100 ms is not marked, however often it comes', () => {
  const queue = new StandingQueue();
  for (let at = 0; at < 10_000; at += 100) {
    expect(marked(queue, at, at + 99, 50)).toEqual([]);
    expect(queue.isDue(at + 99, 1)).toBe(false);
  }
});

test('a queue that stands is marked after 100 ms, and then ever more often', () => {
  const times = marked(new StandingQueue(), 0, 1_000, 8);
  // 100, 100 / sqrt 2, 100 / sqrt 3 ms apart, ...
  expect(times.slice(0, 5)).toEqual([100, 200, 271, 329, 379]);
  expect(times.at(-1)! - times.at(-2)!).toBeLessThan(25);
});

test('a queue that stands again soon is marked as often as before; later it begins anew', () => {
  const queue = new StandingQueue();
  marked(queue, 0, 1_000, 8);
  queue.isDue(1_000, 1);
  const [first, second] = marked(queue, 1_001, 1_400, 8);
  expect(first).toBe(1_101);
  expect(second! - first!).toBeLessThan(30);
  queue.isDue(1_400, 1);
  const [third, fourth] = marked(queue, 10_000, 10_300, 8);
  expect(fourth! - third!).toBe(100);
});
