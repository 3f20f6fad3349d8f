import { expect, onTestFinished, test, vi } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { LogLines } from '../io/log-lines.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { RelayRole } from './relay-role.ts';

const ADDRESS = v4('192.0.2.10');

test('a relay has an announcement to withdraw, a host-specific relay has none', () => {
  const can = (['relay', 'host-relay'] as const).map((role) => {
    const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
    const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
    const { drain, beforeEnd } = new RelayRole(role, settings, ports, { end: () => {}, changed: () => {} });
    return [drain !== undefined, beforeEnd !== undefined];
  });
  expect(can).toEqual([
    [true, true],
    [false, false],
  ]);
});

test('the time in the state begins with the withdrawal', async () => {
  vi.spyOn(LogLines.prototype, 'write').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1));
  const settings = { address: ADDRESS, port: 3545, interface: 'teredo' };
  const relay = new RelayRole('relay', settings, ports, { end: () => {}, changed: () => {} });
  onTestFinished(() => relay.close());
  const [now, real] = [{ later: 0 }, performance.now.bind(performance)];
  vi.spyOn(performance, 'now').mockImplementation(() => real() + now.later);
  await relay.start();
  now.later = 60_000;
  const before = relay.status('r');
  expect(before).toMatchObject({ state: 'running', stateSeconds: before.uptimeSeconds });
  expect(await relay.drain!()).toBe(true);
  now.later += 7_000;
  const draining = relay.status('r');
  expect(draining.state).toBe('draining');
  expect(draining.stateSeconds).toBeGreaterThanOrEqual(7);
  expect(draining.stateSeconds).toBeLessThan(draining.uptimeSeconds);
});
