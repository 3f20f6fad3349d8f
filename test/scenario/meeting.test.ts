/** Clients that cannot reach each other even by guessing use a relay that connects them. docs/adr/0017 */
import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import type { NatKindName, SimClient } from '../../src/sim/index.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

const HOPELESS = [
  ['symmetric', 'symmetric'],
  ['symmetric', 'symmetricSequential'],
  ['symmetricSequential', 'symmetric'],
] satisfies [NatKindName, NatKindName][];
const RELAY = { address: 0xc0000201, port: 3545 };

function meet(
  seed: number,
  [from, to]: readonly [NatKindName, NatKindName],
  options: { readonly relay: boolean; readonly clients: boolean },
): { net: Internet; a: SimClient; b: SimClient } {
  const net = new Internet({ seed });
  net.addServer();
  net.addRelay({ meet: options.relay });
  const ofClients = { meet: options.clients ? RELAY : undefined };
  const a = net.addClient({ behind: from, ...ofClients });
  const b = net.addClient({ behind: to, ...ofClients });
  expectQualifiedSoon(net.world, a, b);
  return { net, a, b };
}

describe('clients that cannot reach each other', () => {
  for (const pair of HOPELESS) {
    seededTest(`${pair.join(' and ')} reach each other through the relay`, (seed) => {
      const { net, a, b } = meet(seed, pair, { relay: true, clients: true });
      expectReply(net.world, a.ipv6.ping(b.ipv6.address), 10_000);
      expect(expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000)).toBe(200);
      expect(a.machine.counters['sentGuesses']! + b.machine.counters['sentGuesses']!).toBe(0);
    });
  }

  for (const pauseSeconds of [20, 31, 45, 120, 299, 400]) {
    seededTest(`reach each other again soon after ${pauseSeconds} s of silence`, (seed) => {
      const { net, a, b } = meet(seed, HOPELESS[0]!, { relay: true, clients: true });
      expectReply(net.world, a.ipv6.ping(b.ipv6.address), 10_000);
      for (const [from, to] of [
        [b, a],
        [a, b],
      ] as const) {
        net.world.runFor(1_000 * pauseSeconds);
        expectReply(net.world, from.ipv6.ping(to.ipv6.address), 4_000);
      }
    });
  }

  seededTest('do not use a relay unless both clients and the relay have the option', (seed) => {
    for (const options of [
      { relay: false, clients: true },
      { relay: true, clients: false },
    ]) {
      const { net, a, b } = meet(seed, HOPELESS[0]!, options);
      const ping = a.ipv6.ping(b.ipv6.address);
      net.world.runFor(20_000);
      expect(ping.repliedAt).toBeUndefined();
    }
  });

  seededTest('do not affect clients that reach each other directly', (seed) => {
    const { net, a, b } = meet(seed, ['portRestricted', 'symmetric'], { relay: true, clients: true });
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 10_000);
    expect(expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000)).toBe(100);
  });
});
