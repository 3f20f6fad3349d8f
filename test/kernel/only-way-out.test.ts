/** Whether all forwarded datagrams of a server leave by one interface, according to the kernel's routes. adr/0015 */
import { beforeAll, expect, test } from 'vitest';
import { isOnlyWayOut } from '../../src/io/kernel-path/only-way-out.ts';
import { execute } from '../../src/lab/index.ts';
import { ipv4Routes } from '../../src/linux/ipv4-routes.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { WayOut } from '../../src/linux/way-out.ts';

let wan: number;
beforeAll(() => {
  enterNewNetwork();
  ip('link', 'set', 'lo', 'up');
  for (const [name, address] of [
    ['wan', '203.0.113.120/24'],
    ['lan', '10.1.0.1/24'],
  ] as const) {
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-far`);
    ip('address', 'add', address, 'dev', name);
    ip('link', 'set', name, 'up');
    ip('link', 'set', `${name}-far`, 'up');
  }
  ip('address', 'add', '198.51.100.7/32', 'dev', 'lo');
  ip('route', 'add', 'default', 'via', '203.0.113.1');
  const wayOut = new WayOut();
  wan = wayOut.link('wan')!.ifindex;
  wayOut.close();
});

const isOnly = (allowPrivate = false) => isOnlyWayOut(wan, ipv4Routes(4_096), allowPrivate);

test('one interface with the default route; private networks elsewhere do not matter, unless they count as global', () => {
  expect(isOnly()).toBe(true);
  expect(isOnly(true)).toBe(false);
});

test.each([
  ['a network elsewhere', ['route', '192.0.2.0/24', 'dev', 'lan']],
  [
    'half of all addresses, through a gateway in a private network',
    ['route', '0.0.0.0/1', 'via', '10.1.0.2'],
  ],
  ['a better default route', ['route', 'default', 'via', '10.1.0.2', 'metric', '0', 'tos', '4']],
  ['a blackhole route', ['route', 'blackhole', '192.0.2.0/24']],
  ['an unreachable route', ['route', 'unreachable', '192.0.2.0/24']],
  ['a local route for a network', ['route', 'local', '192.0.2.0/24', 'dev', 'lo']],
  [
    'a route with two next hops',
    ['route', '192.0.2.0/24', 'nexthop', 'via', '203.0.113.2', 'nexthop', 'via', '10.1.0.2'],
  ],
  ['a rule for a source', ['rule', 'from', '203.0.113.120', 'lookup', '7']],
  ['a rule for all', ['rule', 'priority', '9', 'lookup', '7']],
  ['a rule with an exception', ['rule', 'not', 'fwmark', '1', 'lookup', 'main']],
  ['a rule that prefers', ['rule', 'lookup', 'main', 'suppress_prefixlength', '0']],
])('%s: no longer', (_what, [kind, ...words]) => {
  ip(kind!, 'add', ...words);
  expect(isOnly()).toBe(false);
  ip(kind!, 'delete', ...words);
  expect(isOnly()).toBe(true);
});

test.each([
  ['two next hops on the same interface', 'nexthop via 203.0.113.2 nexthop via 203.0.113.3'],
  ['a private network with a blackhole route', 'blackhole 10.0.0.0/8'],
])('%s: still', (_what, words) => {
  const route = words.startsWith('nexthop') ? `192.0.2.0/24 ${words}` : words;
  ip('route', 'add', ...route.split(' '));
  expect(isOnly()).toBe(true);
  ip('route', 'delete', ...route.split(' '));
});

test('a next hop that can change without the route: not one interface for certain', () => {
  ip('nexthop', 'add', 'id', '1', 'via', '203.0.113.2', 'dev', 'wan');
  ip('route', 'add', '192.0.2.0/24', 'nhid', '1');
  expect(isOnly()).toBe(false);
  ip('nexthop', 'delete', 'id', '1');
  expect(isOnly()).toBe(true);
});

test('with too many routes nothing is known', () => {
  const known = ipv4Routes(4_096)!.length;
  expect(ipv4Routes(known)).toHaveLength(known);
  expect(ipv4Routes(known - 1)).toBeUndefined();
  const many = Array.from({ length: 2_000 }, (_, i) => `route add 192.0.${i >> 8}.${i & 255} dev wan`);
  execute('ip', ['-batch', '-'], many.join('\n'));
  expect(ipv4Routes(4_096)).toHaveLength(known + 2_000);
  expect(isOnly()).toBe(true);
});

function ip(...args: string[]): void {
  execute('ip', args);
}
