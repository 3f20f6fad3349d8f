import { expect, test } from 'vitest';
import { Link } from './link.ts';
import { World } from './world.ts';

const PACKETS = 10_000;

/** When each packet arrived, by number. */
function carry(link: Link, world: World, size = 100): number[] {
  const arrivals: number[] = [];
  for (let i = 0; i < PACKETS; i++) link.carry(size, () => arrivals.push(i));
  world.runFor(1_000);
  return arrivals;
}

test('a perfect link delivers all packets in order, after the sender has returned', () => {
  const world = new World();
  const link = new Link(world);
  let arrived = false;
  link.carry(1, () => (arrived = true));
  expect(arrived).toBe(false);
  expect(carry(link, world)).toEqual(Array.from({ length: PACKETS }, (_, i) => i));
});

test('loss and duplication have the given frequency', () => {
  const world = new World();
  // Five standard deviations of a binomial count.
  const slack = 5 * Math.sqrt(PACKETS * 0.2 * 0.8);
  expect(Math.abs(carry(new Link(world, { loss: 0.2 }), world).length - 0.8 * PACKETS)).toBeLessThan(slack);
  expect(Math.abs(carry(new Link(world, { duplication: 0.2 }), world).length - 1.2 * PACKETS)).toBeLessThan(
    slack,
  );
});

test('jitter reorders', () => {
  const world = new World();
  const arrivals = carry(new Link(world, { delayMs: 10, jitterMs: 5 }), world);
  expect(arrivals).toHaveLength(PACKETS);
  expect(arrivals).not.toEqual(arrivals.toSorted((a, b) => a - b));
});

test('packets that exceed the MTU are dropped, and all packets while the link is down', () => {
  const world = new World();
  const link = new Link(world, { mtu: 100 });
  expect(carry(link, world, 101)).toEqual([]);
  expect(link.counters.tooBig).toBe(PACKETS);
  link.up = false;
  expect(carry(link, world)).toEqual([]);
});
