import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import type { NatKindName } from '../../src/sim/index.ts';
import { ICMPV6 } from '../../src/wire/index.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

const KINDS = ['fullCone', 'addressRestricted', 'portRestricted'] satisfies NatKindName[];

describe('native hosts', () => {
  for (const kind of KINDS) {
    seededTest(`a client behind a ${kind} NAT reaches one`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      net.addRelay();
      const native = net.addNativeHost();
      const client = net.addClient({ behind: kind });
      expectQualifiedSoon(net.world, client);
      expectReply(net.world, client.ipv6.ping(native.address), 2_000);
      const direct = expectReply(net.world, client.ipv6.ping(native.address), 2_000);
      // Client to relay, to the core, to the native host, and back.
      expect(direct).toBe(2 * (50 + 25 + 25));
    });

    seededTest(`one reaches a client behind a ${kind} NAT`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      net.addRelay();
      const native = net.addNativeHost();
      const client = net.addClient({ behind: kind });
      expectQualifiedSoon(net.world, client);
      expectReply(net.world, native.ping(client.ipv6.address), 1_000);
      expectReply(net.world, native.ping(client.ipv6.address), 1_000);
    });
  }

  seededTest('one with a host-specific relay needs no other relay', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const { host } = net.addHostRelay();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    expectReply(net.world, client.ipv6.ping(host.address), 2_000);
    expectReply(net.world, host.ping(client.ipv6.address), 2_000);
  });

  seededTest('UDP echo', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    native.echoUdp();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    const received: Uint8Array[] = [];
    client.ipv6.listen(5000, (datagram) => received.push(datagram.payload));
    const payload = new Uint8Array(1_000).fill(7);
    for (let i = 0; i < 10; i++) {
      client.ipv6.sendUdp({ destination: native.address, sourcePort: 5000, destinationPort: 7, payload });
    }
    net.world.runFor(2_000);
    expect(received).toHaveLength(10);
    expect(received.every((bytes) => bytes.length === 1_000 && bytes.every((byte) => byte === 7))).toBe(true);
  });

  // CL-71, R-28
  seededTest('packets of more than 1280 octets are answered with Packet Too Big', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    client.ipv6.ping(native.address, { size: 1_400 });
    native.ping(client.ipv6.address, { size: 1_400 });
    net.world.runFor(2_000);
    for (const host of [client.ipv6, native]) {
      expect(host.errors.map((error) => error.type)).toEqual([ICMPV6.PACKET_TOO_BIG]);
    }
  });
});
