import { expect, test } from 'vitest';
import { Internet, NAT_KINDS } from '../../sim/index.ts';
import { SimProbePorts } from '../../../test/support/sim-probe-ports.ts';
import { measureLifetime } from './lifetime.ts';
import type { UdpLifetime } from './lifetime.ts';

async function lifetime(
  lifetimeMs: number,
  limitSeconds: number,
  kind: keyof typeof NAT_KINDS = 'portRestricted',
): Promise<{ readonly found: UdpLifetime | undefined; readonly tookSeconds: number; readonly sent: number }> {
  const net = new Internet();
  net.addServer();
  const ports = new SimProbePorts(net, net.addNat({ ...NAT_KINDS[kind], lifetimeMs }));
  const { primary } = net.serverCandidate(0);
  const startedAt = net.world.now;
  const measurement = { server: primary, roundTripMs: 100, limitMs: limitSeconds * 1_000 };
  const found = await ports.run(measureLifetime(measurement, ports));
  expect(ports.openSockets).toBe(0);
  return { found, tookSeconds: (net.world.now - startedAt) / 1_000, sent: ports.sent.get(primary)! };
}

test.for([5, 20, 31, 45, 62, 89, 100, 119])('a NAT that forgets after %i s', async (seconds) => {
  for (const kind of ['portRestricted', 'symmetric'] as const) {
    const { found, tookSeconds, sent } = await lifetime(seconds * 1_000, 300, kind);
    expect(found!.survivedSeconds).toBeLessThanOrEqual(seconds);
    expect(found!.goneAfterSeconds ?? Infinity).toBeGreaterThanOrEqual(seconds);
    // RFC 4380 section 5.2.7: close enough.
    expect(found!.survivedSeconds).toBeGreaterThanOrEqual(
      0.75 * Math.min(seconds, found!.longestSeconds) - 1,
    );
    expect(tookSeconds).toBeLessThanOrEqual(300);
    expect(sent).toBeLessThan(60);
  }
});

test('one that keeps mappings for long: nothing beyond 120 s is looked for', async () => {
  expect((await lifetime(3_600_000, 600)).found).toMatchObject({ survivedSeconds: 90, longestSeconds: 120 });
});

test('little time given: less is looked for, and it is kept', async () => {
  for (const forgets of [3_000, 5_000, 3_600_000]) {
    const { found, tookSeconds } = await lifetime(forgets, 20);
    expect(found!.longestSeconds).toBe(8);
    expect(found!.survivedSeconds).toBeLessThanOrEqual(forgets / 1_000);
    expect(tookSeconds).toBeLessThanOrEqual(20);
  }
});

test('a server that says nothing any more: not measured', async () => {
  const net = new Internet();
  net.addServer();
  const ports = new SimProbePorts(net, net.addNat(NAT_KINDS.portRestricted));
  const { primary } = net.serverCandidate(0);
  net.servers[0]!.die();
  expect(
    await ports.run(measureLifetime({ server: primary, roundTripMs: 100, limitMs: 60_000 }, ports)),
  ).toBeUndefined();
});
