import { describe, expect, test } from 'vitest';
import type { Ping } from '../../src/sim/index.ts';
import { seeds, withSeed } from '../scenario/support/with-seed.ts';
import { RandomWorld } from './random-world.ts';
import { REGRESSIONS } from './regressions.ts';

const STEPS = 60;
const WORLDS = 30;
const WORKERS = [2, 3, 8];

describe('random worlds keep the invariants, and recover', () => {
  for (const seed of seeds(WORLDS)) test(`seed ${seed}`, () => withSeed(seed, () => live(seed)));

  for (const [seed, why] of REGRESSIONS) {
    test(`seed ${seed}: ${why}`, () => withSeed(seed, () => live(seed)));
  }
});

describe('random worlds with a kernel path keep the invariants, and recover', () => {
  for (const seed of seeds(WORLDS)) test(`seed ${seed}`, () => withSeed(seed, () => live(seed, true)));
});

describe('random worlds with clients of several workers keep the invariants, and recover', () => {
  for (const [i, seed] of seeds(WORLDS).entries())
    test(`seed ${seed}`, () => withSeed(seed, () => live(seed, true, WORKERS[i % WORKERS.length])));

  test('seed 50: a datagram without a whole IPv6 header', () => withSeed(50, () => live(50, true, 2)));
});

/** Checks the invariants during the run. At the end, after all faults are over, each client that can be reached must be reached. */
function live(seed: number, offload = false, workers = 1): void {
  const random = new RandomWorld(seed, offload, workers);
  const { world, clients, natives } = random;
  for (let i = 0; i < STEPS; i++) random.step();
  random.heal();
  // A lost server is noticed after 30 s and 12 more; budgets of 300 s end meanwhile.
  world.runFor(310_000);
  for (const client of clients) {
    if (!random.isUsable(client)) continue;
    expect(client.machine.state, client.status.reason).toBe('qualified');
    expect(client.ipv6.addresses).toEqual([client.machine.address]);
    const ask = (): Ping[] =>
      natives.flatMap((native) => [native.ping(client.ipv6.address), client.ipv6.ping(native.address)]);
    // A strict client drops packets that come before its connectivity test has succeeded.
    ask();
    world.runFor(10_000);
    const pings = ask();
    world.runFor(10_000);
    expect(pings.filter((ping) => ping.repliedAt === undefined)).toEqual([]);
  }
}
