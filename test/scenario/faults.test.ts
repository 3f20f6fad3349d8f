import { describe, expect } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import type { Ping } from '../../src/sim/index.ts';
import { expectQualified, expectQualifiedSoon, expectReply, pingSteadily } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

/** RFC 4380 gives no limit. Ours: traffic flows again within 10 s of the end of the fault. */
const RECOVERY_MS = 10_000;

describe('the NAT forgets its mappings', () => {
  for (const direction of [
    'while idle',
    'while the client sends',
    'while only the native host sends',
  ] as const) {
    seededTest(direction, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      net.addRelay();
      const native = net.addNativeHost();
      const nat = net.addNat({ ...NAT_KINDS.portRestricted, ports: 'random' });
      const client = net.addClient({ behind: nat });
      expectQualifiedSoon(net.world, client);
      expectReply(net.world, client.ipv6.ping(native.address), 2_000);
      const before = client.ipv6.address;
      nat.flush();
      if (direction === 'while idle') {
        // An idle client notices with its next solicitation only.
        net.world.runFor(30_000 + RECOVERY_MS);
      } else if (direction === 'while the client sends') {
        const pings = pingSteadily(net.world, client.ipv6, native, 200, 2 * RECOVERY_MS);
        net.world.runFor(2 * RECOVERY_MS + 1_000);
        expectFlowFrom(pings, net.world.now - RECOVERY_MS - 1_000);
      } else {
        pingSteadily(net.world, native, client.ipv6, 200, RECOVERY_MS);
        net.world.runFor(30_000 + RECOVERY_MS);
      }
      expect(client.ipv6.address).not.toEqual(before);
      expectReply(net.world, client.ipv6.ping(native.address), 2_000);
      expectReply(net.world, native.ping(client.ipv6.address), 2_000);
    });
  }

  seededTest('between two clients, while one sends', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const nat = net.addNat('portRestricted');
    const a = net.addClient({ behind: nat });
    const b = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, a, b);
    expectReply(net.world, a.ipv6.ping(b.ipv6.address), 2_000);
    // The port is preserved, so the address stays the same; the permissions are gone.
    nat.flush();
    const pings = pingSteadily(net.world, b.ipv6, a.ipv6, 200, 2 * RECOVERY_MS + 30_000);
    net.world.runFor(2 * RECOVERY_MS + 31_000);
    expectFlowFrom(pings, net.world.now - RECOVERY_MS - 1_000);
  });
});

describe('servers', () => {
  seededTest('that die are replaced by the next one', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addServer();
    const servers = [net.serverCandidate(0), net.serverCandidate(1)];
    const client = net.addClient({ behind: 'portRestricted', servers });
    expectQualifiedSoon(net.world, client);
    const first = client.status.server!;
    net.servers[first]!.die();
    // At most one refresh interval, three solicitations, and the change of server.
    const moved = net.world.runUntil(
      () => client.machine.state === 'qualified' && client.status.server !== first,
      30_000 + 12_000 + 6_000,
    );
    expect(moved).toBe(true);
  });

  seededTest('that never answer leave the client off-line until one does', (seed) => {
    const net = new Internet({ seed });
    const server = net.addServer();
    server.host.link.up = false;
    const client = net.addClient({ behind: 'portRestricted' });
    net.world.runFor(13_000);
    expect(client.machine.state).not.toBe('qualified');
    expect(client.status.reason).toBe('no-answer');
    net.world.runFor(200_000);
    server.host.link.up = true;
    expectQualified(net.world, RECOVERY_MS, client);
  });

  seededTest('with only one address are enough', (seed) => {
    const net = new Internet({ seed });
    net.addServer({ single: true });
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualified(net.world, 15_000, client);
    expect(client.status.symmetricNatRuledOut).toBe(false);
  });
});

describe('relays', () => {
  seededTest('that restart are found again', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const { relay } = net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    expectReply(net.world, client.ipv6.ping(native.address), 2_000);
    relay.restart();
    const pings = pingSteadily(net.world, client.ipv6, native, 200, 2 * RECOVERY_MS);
    net.world.runFor(2 * RECOVERY_MS + 1_000);
    expectFlowFrom(pings, net.world.now - RECOVERY_MS - 1_000);
  });

  seededTest('that restart while only the native host sends packets', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const { relay } = net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    expectReply(net.world, native.ping(client.ipv6.address), 2_000);
    relay.restart();
    expectReply(net.world, native.ping(client.ipv6.address), 2_000);
  });
});

describe('addresses change', () => {
  seededTest("the NAT's", (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    const nat = net.addNat('portRestricted');
    const client = net.addClient({ behind: nat });
    expectQualifiedSoon(net.world, client);
    expectReply(net.world, client.ipv6.ping(native.address), 2_000);
    const before = client.ipv6.address;
    nat.setExternalAddress(net.nextPublicAddress());
    const pings = pingSteadily(net.world, client.ipv6, native, 200, 2 * RECOVERY_MS);
    net.world.runFor(2 * RECOVERY_MS + 1_000);
    expectFlowFrom(pings, net.world.now - RECOVERY_MS - 1_000);
    expect(client.ipv6.addresses).toHaveLength(1);
    expect(client.ipv6.address).not.toEqual(before);
  });

  seededTest('the host moves to another network', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    const before = client.ipv6.address;
    const nat = net.addNat('addressRestricted');
    client.move(nat.inside, net.nextInsideAddress(nat));
    expectQualifiedSoon(net.world, client);
    expect(client.ipv6.addresses).toHaveLength(1);
    expect(client.ipv6.address).not.toEqual(before);
    expectReply(net.world, client.ipv6.ping(native.address), 2_000);
  });
});

/** Each ping sent from `since` on was answered. */
function expectFlowFrom(pings: readonly Ping[], since: number): void {
  const late = pings.filter((ping) => ping.sentAt >= since);
  expect(late.length).toBeGreaterThan(10);
  expect(late.filter((ping) => ping.repliedAt === undefined)).toEqual([]);
}
