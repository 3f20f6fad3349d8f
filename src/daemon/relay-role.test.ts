import { expect, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
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
