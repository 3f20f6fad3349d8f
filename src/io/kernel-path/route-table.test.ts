import { expect, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import { RouteTable } from './route-table.ts';

const route = (prefix: string, ...interfaces: number[]) => {
  const [address, length] = prefix.split('/');
  return { destination: v4(address), prefixLength: Number(length), interfaces };
};
const [everything, net, host] = [
  route('0.0.0.0/0', 2),
  route('198.51.100.0/24', 3),
  route('198.51.100.7/32', 4),
];
const OWN = '198.51.100.1';

function routeTo(destination: string, ...routes: ReturnType<typeof route>[]): unknown {
  return new RouteTable(routes, [v4(OWN)]).routeTo(v4(destination));
}

test('the most specific route decides, whatever their order', () => {
  expect(routeTo('198.51.100.7', everything, net, host)).toBe(host);
  expect(routeTo('198.51.100.8', net, host, everything)).toBe(net);
  expect(routeTo('203.0.113.1', host, net, everything)).toBe(everything);
  expect(routeTo('203.0.113.1', net)).toBe(undefined);
});

test('the kernel is asked about an address of this host, though the route of its network would match', () => {
  expect(routeTo(OWN, everything, net)).toBe(undefined);
});

test('the kernel is asked if two routes match, or one with several interfaces or none', () => {
  expect(routeTo('198.51.100.8', everything, net, route('198.51.100.0/24', 5))).toBe(undefined);
  expect(routeTo('203.0.113.1', route('0.0.0.0/0', 2, 3))).toBe(undefined);
  expect(routeTo('203.0.113.1', everything, route('203.0.113.0/24'))).toBe(undefined);
});
