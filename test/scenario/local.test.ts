import { describe, expect } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import { expectQualified, expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

describe('neighbours behind one NAT', () => {
  // CL-63, CL-110..115: behind this NAT neither reaches the other at its mapped address.
  seededTest('reach each other on the link', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const nat = net.addNat('portRestricted');
    const [a, b] = [net.addClient({ behind: nat }), net.addClient({ behind: nat })];
    expectQualifiedSoon(net.world, a, b);
    net.world.runFor(301_000);
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 2_500);
    const direct = expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000);
    expect(direct).toBeLessThan(1);
    expect(nat.counters.hairpinned).toBe(0);
  });

  seededTest('reach each other through a NAT that hairpins, without discovery', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const nat = net.addNat({ ...NAT_KINDS.portRestricted, hairpinning: true });
    const options = { behind: nat, localDiscovery: false };
    const [a, b] = [net.addClient(options), net.addClient(options)];
    expectQualifiedSoon(net.world, a, b);
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 2_000);
    expect(nat.counters.hairpinned).toBeGreaterThan(0);
  });

  // Their bubbles come by the NAT and by the link. Without one choice of both, each drops the packets of the other.
  for (const ports of ['preserving', 'sequential', 'random'] as const) {
    seededTest(`choose the link, behind a symmetric NAT that hairpins, ports ${ports}`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const filtering = 'endpoint-independent';
      const nat = net.addNat({ ...NAT_KINDS.symmetric, filtering, ports, hairpinning: true });
      const options = { behind: nat, localDiscovery: false };
      const [a, b] = [net.addClient(options), net.addClient(options)];
      expectQualifiedSoon(net.world, a, b);
      expectReply(net.world, a.ipv6.ping(b.ipv6.address), 2_000);
      for (let i = 0; i < 50; i++) {
        expectReply(net.world, a.ipv6.ping(b.ipv6.address), 100);
        expectReply(net.world, b.ipv6.ping(a.ipv6.address), 100);
      }
      for (const { machine } of [a, b])
        expect([...machine.peers(net.world.now)].map(({ means }) => means)).toEqual(['local']);
    });
  }

  // RFC 6081 section 5.6
  seededTest(
    'reach each other by their alternate addresses, without discovery and without hairpinning',
    (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const nat = net.addNat('portRestricted');
      const options = { behind: nat, localDiscovery: false };
      const [a, b] = [net.addClient(options), net.addClient(options)];
      expectQualifiedSoon(net.world, a, b);
      expectReply(net.world, a.ipv6.ping(b.ipv6.address), 1_000);
      expectReply(net.world, b.ipv6.ping(a.ipv6.address), 1_000);
    },
  );
});

describe('a NAT behind a NAT', () => {
  for (const inner of ['fullCone', 'addressRestricted', 'portRestricted'] as const) {
    for (const outer of ['fullCone', 'addressRestricted', 'portRestricted'] as const) {
      seededTest(`${inner} behind ${outer}`, (seed) => {
        const net = new Internet({ seed });
        net.addServer();
        net.addRelay();
        const native = net.addNativeHost();
        const carrier = net.addNat(outer);
        const client = net.addClient({ behind: net.addNat(inner, carrier) });
        const other = net.addClient({ behind: 'portRestricted' });
        expectQualifiedSoon(net.world, client, other);
        expect(client.status.mapped!.address).toBe(carrier.externalAddress);
        expectReply(net.world, client.ipv6.ping(native.address), 2_000);
        expectReply(net.world, other.ipv6.ping(client.ipv6.address), 2_000);
      });
    }
  }

  seededTest('of which one is symmetric is symmetric', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient({ behind: net.addNat('portRestricted', net.addNat('symmetric')) });
    expectQualifiedSoon(net.world, client);
    expect(client.status.nat).toBe('symmetric');
  });
});

describe('ports', () => {
  seededTest('with the same port behind a port-preserving NAT get different addresses', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const nat = net.addNat('portRestricted');
    const clients = Array.from({ length: 3 }, () => net.addClient({ behind: nat, servicePort: 40_000 }));
    expectQualified(net.world, 2_000, ...clients);
    expect(clients.map((client) => client.status.mapped!.port).toSorted((a, b) => a - b)).toEqual([
      40_000, 40_001, 40_002,
    ]);
  });
});
