import { describe, expect, test } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import { seeds, withSeed } from './support/with-seed.ts';

/**
 * Bounds are binomial: with n seeds and a true rate p the count is within p n -+ 4 sqrt(p (1 - p) n), except once in 16,000
 * runs. The seeds are fixed, so all runs are equal. p is computed from the protocol below.
 */
const RUNS = 200;

describe.each([0.05, 0.2])('with %f of all datagrams lost', (loss) => {
  /** A trip through the public internet passes two lossy links. */
  const trip = (1 - loss / 2) ** 2;

  test('clients qualify', () => {
    let soon = 0;
    for (const seed of seeds(RUNS)) {
      withSeed(seed, () => {
        const net = lossy(seed, loss);
        const client = net.addClient({ behind: 'portRestricted' });
        const { world } = net;
        world.runFor(1_000);
        if (client.machine.state === 'qualified') soon++;
        // A start action fails if all three solicitations of a phase are lost: with 20 % once in 12. In 180 s there are six.
        world.runUntil(() => client.machine.state === 'qualified', 180_000);
        expect(client.machine.state).toBe('qualified');
      });
    }
    // Within a second there is no repetition: four trips have to succeed.
    expectAtLeast(soon, trip ** 4);
  });

  test('a first ping between two clients is answered', () => {
    let answered = 0;
    for (const seed of seeds(RUNS)) {
      withSeed(seed, () => {
        const net = lossy(seed, loss);
        const a = net.addClient({ behind: 'portRestricted' });
        const b = net.addClient({ behind: 'portRestricted' });
        net.world.runUntil(() => [a, b].every((client) => client.machine.state === 'qualified'), 180_000);
        const ping = a.ipv6.ping(b.ipv6.address);
        net.world.runFor(20_000);
        if (ping.repliedAt !== undefined) answered++;
      });
    }
    // The direct bubble only has to open the sender's NAT, so it needs its first link only. A round succeeds if this bubble,
    // both legs of the indirect one and the answer are not lost; there are four rounds. Then the ping and its reply.
    const round = (1 - loss / 2) * trip ** 3;
    expectAtLeast(answered, (1 - (1 - round) ** 4) * trip ** 2);
  });
});

test('reordering by jitter and duplication by links have no effect', () => {
  for (const seed of seeds(20)) {
    withSeed(seed, () => {
      const net = lossy(seed, 0);
      net.addRelay();
      const native = net.addNativeHost();
      const a = net.addClient({ behind: 'portRestricted' });
      const b = net.addClient({ behind: 'addressRestricted' });
      for (const nat of net.nats) Object.assign(nat.link, { jitterMs: 40, duplication: 0.3 });
      net.world.runFor(10_000);
      const pings = [a.ipv6.ping(b.ipv6.address), b.ipv6.ping(native.address), native.ping(a.ipv6.address)];
      net.world.runFor(5_000);
      expect(pings.filter((ping) => ping.repliedAt === undefined)).toEqual([]);
    });
  }
});

/** Each host's and NAT's link loses half of it. */
function lossy(seed: number, loss: number): Internet {
  const net = new Internet({ seed, conditions: { loss: loss / 2 } });
  net.addServer();
  return net;
}

function expectAtLeast(count: number, rate: number): void {
  const expected = rate * RUNS;
  expect(count).toBeGreaterThan(expected - 4 * Math.sqrt(expected * (1 - rate)));
}
