import { expect, test } from 'vitest';
import { v4 } from '../../test/support/client-rig.ts';
import type { HostNetwork } from '../io/ports.ts';
import { localNetwork } from './local-network.ts';

const [OWN, OTHER, SERVER] = [v4('192.0.2.7'), v4('198.51.100.7'), v4('203.0.113.120')];
const network = {
  ipv4Subnets: () => [OWN, OTHER].map((address) => ({ address, prefixLength: 24, interface: 'eth0' })),
  sourceAddress: (towards: number) => (towards === SERVER ? OWN : undefined),
} as unknown as HostNetwork;

test('datagrams leave from the address that is bound, else from the one that leads to the server', () => {
  expect(localNetwork(network, OTHER, SERVER).localAddress).toBe(OTHER);
  expect(localNetwork(network, undefined, SERVER).localAddress).toBe(OWN);
  expect(localNetwork(network, 0, SERVER).localAddress).toBe(OWN);
});

test('an address that is not of this host is none', () => {
  expect(localNetwork(network, v4('192.0.2.99'), SERVER).localAddress).toBe(undefined);
});
