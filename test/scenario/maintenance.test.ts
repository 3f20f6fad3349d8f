import { describe, expect } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import { expectQualifiedSoon, pingSteadily } from './support/expectations.ts';
import { WireLog } from './support/wire-log.ts';
import { seededTest } from './support/with-seed.ts';

describe('maintenance', () => {
  // CL-80, CL-81
  seededTest('an idle client solicits every 22.5 to 30 s, at random', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    net.world.runFor(1_000);
    const log = new WireLog(net.world, client.host.attachment);
    net.world.runFor(100 * 30_000);
    const times = log.times('solicitation');
    const gaps = times.slice(1).map((at, i) => at - times[i]!);
    expect(gaps.length).toBeGreaterThanOrEqual(98);
    // The interval begins with the last answer, one round trip after the solicitation.
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(22_500);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(30_000 + 100);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    // Uniform: a mean of 26.25 s, with a standard deviation over 99 gaps of 0.22 s; five of these.
    expect(Math.abs(mean - 26_300)).toBeLessThan(1_100);
    expect(new Set(gaps.map((gap) => Math.round(gap / 500))).size).toBeGreaterThan(8);
  });

  // CL-85
  seededTest('after transfers it solicits three times in 28 s, then at the usual interval', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    const peer = net.addClient({ behind: 'addressRestricted' });
    expectQualifiedSoon(net.world, client, peer);
    pingSteadily(net.world, client.ipv6, native, 50, 4_000);
    pingSteadily(net.world, peer.ipv6, client.ipv6, 50, 4_000);
    net.world.runFor(4_500);
    const log = new WireLog(net.world, client.host.attachment);
    net.world.runFor(28_000);
    expect(log.times('solicitation').length).toBeLessThanOrEqual(3);
    expect(log.times('solicitation').length).toBeGreaterThan(0);
    net.world.runFor(60_000);
    const settled = log.times('solicitation').length;
    net.world.runFor(120_000);
    expect(log.times('solicitation').length - settled).toBeLessThanOrEqual(6);
  });

  for (const idleMs of [0, 2_500, 3_500, 7_000, 9_000, 15_000])
    seededTest(
      `CL-85: a mapping lost ${idleMs} ms after the last traffic is replaced within 10 s`,
      (seed) => {
        const net = new Internet({ seed });
        net.addServer();
        net.addRelay();
        const native = net.addNativeHost();
        const nat = net.addNat({ ...NAT_KINDS.portRestricted, ports: 'random' });
        const client = net.addClient({ behind: nat });
        expectQualifiedSoon(net.world, client);
        pingSteadily(net.world, client.ipv6, native, 50, 4_000);
        net.world.runFor(4_000 + idleMs);
        const before = client.ipv6.address;
        nat.flush();
        net.world.runFor(10_000);
        expect(client.ipv6.address).not.toEqual(before);
      },
    );

  // CL-86
  seededTest('the address stays the same', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    const { address } = client.ipv6;
    net.world.runFor(3_600_000);
    expect(client.ipv6.addresses).toEqual([address]);
    expect(client.node.events.filter(({ event }) => event.type === 'address-added')).toHaveLength(1);
  });

  seededTest('keeps a mapping with a lifetime of 35 s', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    net.addRelay();
    const native = net.addNativeHost();
    const nat = net.addNat({
      ...NAT_KINDS.portRestricted,
      ports: 'random',
      lifetimeMs: 35_000,
    });
    const client = net.addClient({ behind: nat });
    expectQualifiedSoon(net.world, client);
    const { address } = client.ipv6;
    for (let i = 0; i < 20; i++) {
      net.world.runFor(61_000);
      const ping = native.ping(address);
      net.world.runFor(1_000);
      expect(ping.repliedAt).toBeDefined();
    }
  });
});
