/** The kernel's answers about routes match the ways that datagrams take. */
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { RouteQuery } from '../../src/linux/route-query.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { v4 } from '../support/client-rig.ts';

const PORT = 3_545;
const FAR = v4('203.0.113.5');

beforeEach(() => {
  enterNewNetwork();
  ip('link add e0 index 10 type veth peer name f0', 'link add e1 index 20 type veth peer name f1');
  ip('addr add 198.51.100.1/24 dev e0', 'addr add 10.0.0.1/24 dev e1', 'addr add 10.0.0.9/24 dev e1');
  ip('link set f0 up', 'link set f1 up', 'link set e0 up', 'link set e1 up', 'link set lo up');
});

test('the interface is that of the route, whichever interface has the source', () => {
  ip('route add default via 10.0.0.2 dev e1 src 198.51.100.1');
  expect(way(FAR)).toEqual({
    ifindex: 20,
    source: v4('198.51.100.1'),
    gateway: '0a000002',
    mtu: 0,
    ttl: 0,
    isRedirected: false,
  });
  expect(way(v4('10.0.0.7'))).toEqual({
    ifindex: 20,
    source: v4('10.0.0.1'),
    gateway: '',
    mtu: 0,
    ttl: 0,
    isRedirected: false,
  });
});

test('a bound socket has its own source, and the route for it', () => {
  ip('route add default via 10.0.0.2 dev e1', 'rule add from 198.51.100.1 lookup 100');
  ip('route add default via 198.51.100.2 dev e0 table 100');
  expect(way(FAR, '10.0.0.9')).toMatchObject({ ifindex: 20, source: v4('10.0.0.9'), gateway: '0a000002' });
  expect(way(FAR, '198.51.100.1')).toMatchObject({ ifindex: 10, gateway: 'c6336402' });
  expect(way(FAR, '192.0.2.1')).toBeUndefined(); // not an address of this host
});

test.each(['mtu 1200', 'mtu lock 1200'])('the MTU of the route: %s', (mtu) => {
  ip(`route add default via 10.0.0.2 dev e1 ${mtu}`);
  expect(way(FAR)).toMatchObject({ ifindex: 20, gateway: '0a000002', mtu: 1_200 });
  expect(way(v4('10.0.0.7'))).toMatchObject({ gateway: '', mtu: 0 });
});

test('the TTL of the route', () => {
  ip('route add default via 10.0.0.2 dev e1 hoplimit 9');
  expect(way(FAR)).toMatchObject({ ifindex: 20, ttl: 9, mtu: 0 });
});

test('a gateway of the other family works, too', () => {
  ip('route add 203.0.113.0/24 via inet6 fe80::2 dev e1');
  expect(way(FAR)).toMatchObject({ ifindex: 20, gateway: `0a00fe80${'0'.repeat(26)}02` });
});

test('no route: without one, with an unreachable one, or within this host', () => {
  expect(way(FAR)).toBeUndefined();
  ip('route add unreachable 203.0.113.0/24');
  expect(way(FAR)).toBeUndefined();
  expect(way(v4('10.0.0.1'))).toBeUndefined();
  expect(way(v4('127.0.0.1'))).toBeUndefined();
  expect(way(v4('10.0.0.255'))).toBeUndefined();
});

test("no route for a program if only the socket's port leads there", () => {
  ip('route add default via 10.0.0.2 dev e1', `rule add ipproto udp sport ${PORT} lookup 100`);
  ip('route add default via 10.0.0.3 dev e1 table 100');
  expect(way(FAR)).toBeUndefined();
  ip('route replace default via 10.0.0.2 dev e1 table 100');
  expect(way(FAR)).toMatchObject({ ifindex: 20 });
});

function way(destination: number, bound?: string) {
  const query = new RouteQuery(bound === undefined ? 0 : v4(bound), PORT);
  onTestFinished(() => query.close());
  return query.wayTo(destination);
}

function ip(...commands: string[]): void {
  for (const command of commands) execute('ip', command.split(' '));
}
