import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import type { NatKindName } from '../../src/sim/index.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

const KINDS = ['fullCone', 'addressRestricted', 'portRestricted'] satisfies NatKindName[];

/** RFC 6081 section 3, figure 1: the pairs that RFC 4380 alone connects, in both directions. */
describe('clients behind different NATs reach each other within a second', () => {
  for (const from of KINDS) {
    for (const to of KINDS) {
      seededTest(`${from} to ${to}`, (seed) => {
        const net = new Internet({ seed, delayMs: 50 });
        net.addServer();
        const a = net.addClient({ behind: from });
        const b = net.addClient({ behind: to });
        expectQualifiedSoon(net.world, a, b);
        expectReply(net.world, a.ipv6.ping(b.ipv6.address), 1_000);
        // From now on directly: one round trip.
        expect(expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000)).toBe(100);
      });
    }
  }

  seededTest('both at once', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const [a, b] = [net.addClient({ behind: 'portRestricted' }), net.addClient({ behind: 'portRestricted' })];
    expectQualifiedSoon(net.world, a, b);
    const pings = [a.ipv6.ping(b.ipv6.address), b.ipv6.ping(a.ipv6.address)];
    for (const ping of pings) expectReply(net.world, ping, 1_000);
  });

  seededTest('clients of different servers', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addServer();
    const a = net.addClient({ behind: 'portRestricted' });
    const b = net.addClient({ behind: 'portRestricted', servers: [net.serverCandidate(1)] });
    expectQualifiedSoon(net.world, a, b);
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 1_000);
    expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000);
  });
});
