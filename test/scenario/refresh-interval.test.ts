import { describe, expect } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import { expectQualifiedSoon } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

/** RFC 4380 section 5.2.7: candidates 60, 90, 105 ... upwards, 45, 52.5 downwards. CL-101 to CL-105 */
describe('refresh interval determination', () => {
  for (const [lifetime, low, high] of [
    [35_000, 30_000, 35_000],
    [50_000, 45_000, 50_000],
    [70_000, 60_000, 70_000],
    [110_000, 90_000, 110_000],
    [1_000_000, 90_000, 120_000],
  ] as const) {
    seededTest(`behind a NAT that keeps mappings for ${lifetime / 1000} s`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const nat = net.addNat({ ...NAT_KINDS.portRestricted, ports: 'random', lifetimeMs: lifetime });
      const client = net.addClient({ behind: nat, refresh: 'auto' });
      expectQualifiedSoon(net.world, client);
      const concluded = (): boolean =>
        client.node.events.some(({ event }) => event.type === 'refresh-interval' && event.concluded);
      expect(net.world.runUntil(concluded, 3_600_000)).toBe(true);
      expect(client.status.refreshIntervalMs).toBeGreaterThanOrEqual(low);
      expect(client.status.refreshIntervalMs).toBeLessThanOrEqual(high);
      // With this interval the mapping is kept.
      const { address } = client.ipv6;
      net.world.runFor(3_600_000);
      expect(client.ipv6.addresses).toEqual([address]);
      // CL-106: the port is closed.
      expect(
        client.node.events.some(({ event }) => event.type === 'socket-unwanted' && event.socket === 1),
      ).toBe(true);
    });
  }
});
