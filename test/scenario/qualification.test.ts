import { describe, expect, test } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import type { NatKindName } from '../../src/sim/index.ts';
import { mappedAddressOf, mappedPortOf, serverOf } from '../../src/wire/index.ts';
import { expectQualifiedSoon } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

describe('qualification', () => {
  for (const [kind, expected] of [
    ['fullCone', 'restricted'],
    ['addressRestricted', 'restricted'],
    ['portRestricted', 'restricted'],
  ] as const) {
    seededTest(`behind a ${kind} NAT`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const client = net.addClient({ behind: kind });
      expectQualifiedSoon(net.world, client);
      expect(client.status.nat).toBe(expected);
      const address = client.machine.address!;
      expect(serverOf(address, 0)).toBe(net.servers[0]!.host.addresses[0]);
      expect(mappedAddressOf(address, 0)).toBe(net.nats[0]!.externalAddress);
      expect(mappedPortOf(address, 0)).toBe(client.status.mapped!.port);
      expect(client.ipv6.addresses).toEqual([address]);
    });
  }

  seededTest('without a NAT', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient();
    expectQualifiedSoon(net.world, client);
    expect(client.status.nat).toBe('none');
  });

  // E-20
  for (const kind of ['symmetric', 'symmetricSequential'] satisfies NatKindName[]) {
    seededTest(`behind a ${kind} NAT, which it recognises`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const client = net.addClient({ behind: kind });
      expectQualifiedSoon(net.world, client);
      expect(client.status.nat).toBe('symmetric');
    });
  }

  test('two clients behind one NAT get different addresses', () => {
    const net = new Internet();
    net.addServer();
    const nat = net.addNat('portRestricted');
    const clients = Array.from({ length: 20 }, () => net.addClient({ behind: nat }));
    expectQualifiedSoon(net.world, ...clients);
    expect(new Set(clients.map((client) => client.status.mapped!.port)).size).toBe(20);
  });
});
