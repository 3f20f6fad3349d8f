import { describe, expect, test } from 'vitest';
import type { Ping } from '../../src/sim/index.ts';
import { seeds, withSeed } from '../scenario/support/with-seed.ts';
import { RandomWorld } from './random-world.ts';
import { REGRESSIONS } from './regressions.ts';

const STEPS = 60;
const WORLDS = 30;

describe('random worlds keep the invariants, and recover', () => {
  for (const seed of seeds(WORLDS)) test(`seed ${seed}`, () => withSeed(seed, () => live(seed)));

  for (const [seed, why] of REGRESSIONS) {
    test(`seed ${seed}: ${why}`, () => withSeed(seed, () => live(seed)));
  }
});

describe('and so they do with packets carried past the machines', () => {
  for (const seed of seeds(WORLDS)) test(`seed ${seed}`, () => withSeed(seed, () => live(seed, true)));
});

/** The invariants are checked on the way; at the end, when all is well again, everybody who can has to be reachable. */
function live(seed: number, offload = false): void {
  const random = new RandomWorld(seed, offload);
  const { world, clients, natives } = random;
  for (let i = 0; i < STEPS; i++) random.step();
  random.heal();
  // A lost server is missed after 30 s and 12 more; budgets of 300 s run out meanwhile.
  world.runFor(310_000);
  for (const client of clients) {
    if (!random.isUsable(client)) continue;
    expect(client.machine.state, client.status.reason).toBe('qualified');
    expect(client.ipv6.addresses).toEqual([client.machine.address]);
    const ask = (): Ping[] =>
      natives.flatMap((native) => [native.ping(client.ipv6.address), client.ipv6.ping(native.address)]);
    // A strict client drops what comes before its connectivity test has succeeded.
    ask();
    world.runFor(10_000);
    const pings = ask();
    world.runFor(10_000);
    expect(pings.filter((ping) => ping.repliedAt === undefined)).toEqual([]);
  }
}
