/**
 * Datagrams to the socket arrive at other interfaces than those that have its address, or by which it sends: they are carried nevertheless.
 */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BYTES = 2_000_000;
/** The number of packets that most of this many bytes take. */
const MOST = 1_200;
/** Addresses of the relay: that of the services, which other hosts route to it, and those of its other interfaces. */
const ANYCAST = '192.0.2.201';
const [SECOND, THIRD] = ['192.0.2.202', '192.0.2.203'];
const NETWORK = '198.51.100.0/24';

test('an address on lo, and datagrams that arrive at another interface than they leave by, also at a new one', async () => {
  await using net = new Internet();
  const { client, nat } = net.site('a', 'port-restricted');
  prepare(net.relay);
  plugIn(net, 'wan2', SECOND);
  routeTo(net, [nat, net.server], SECOND);
  await startRoles(net, [client]);
  await carries(net, client);
  plugIn(net, 'wan3', THIRD);
  routeTo(net, [nat, net.server], THIRD);
  await carries(net, client);
});

test('several uplinks: each peer sends by one of them, and this host by any (ECMP)', async () => {
  await using net = new Internet();
  const sites = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  prepare(net.relay);
  plugIn(net, 'wan2', SECOND);
  for (const [i, { nat }] of sites.entries()) routeTo(net, [nat], [RELAY_ADDRESS, SECOND][i]!);
  routeTo(net, [net.server], SECOND);
  const hops = ['wan', 'wan2'].flatMap((name) => ['nexthop', 'dev', name]);
  net.relay.sysctl('net.ipv4.fib_multipath_hash_policy', '1');
  net.relay.ip('route', 'replace', NETWORK, 'src', ANYCAST, ...hops);
  await startRoles(
    net,
    sites.map(({ client }) => client),
  );
  for (const { client } of sites) await carries(net, client);
});

test('a datagram that the host drops for its source is not carried: an interface with strict rp_filter', async () => {
  await using net = new Internet();
  const { client, nat } = net.site('a', 'port-restricted');
  prepare(net.relay);
  plugIn(net, 'wan2', SECOND);
  net.relay.sysctl('net.ipv4.conf.wan2.rp_filter', '1');
  routeTo(net, [nat, net.server], RELAY_ADDRESS);
  await startRoles(net, [client]);
  await carries(net, client);
  const before = await relayCounters(net);
  // Nor does such an interface answer for the address (ARP).
  const [, mac] = /link\/ether (\S+)/.exec(net.relay.ip('link', 'show', 'wan2'))!;
  nat.ip('neighbour', 'replace', SECOND, 'lladdr', mac!, 'dev', 'wan', 'nud', 'permanent');
  routeTo(net, [nat], SECOND);
  const received = receivedBy(net.relay, 'wan2');
  expect(await ping(client, NATIVE_ADDRESS, 3_000)).toBeUndefined();
  expect(receivedBy(net.relay, 'wan2')).toBeGreaterThan(received);
  expect((await relayCounters(net))['carriedIn']).toBe(before['carriedIn']);
});

test('the same, where another peer is reached by that interface', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  prepare(net.relay);
  plugIn(net, 'wan2', SECOND);
  net.relay.sysctl('net.ipv4.conf.wan2.rp_filter', '1');
  leadBy(net, 'wan2', b.address);
  routeTo(net, [a.nat, net.server], RELAY_ADDRESS);
  routeTo(net, [b.nat], SECOND);
  await startRoles(net, [a.client, b.client]);
  for (const { client } of [a, b]) await carries(net, client);
  const before = await relayCounters(net);
  const [, mac] = /link\/ether (\S+)/.exec(net.relay.ip('link', 'show', 'wan2'))!;
  a.nat.ip('neighbour', 'replace', SECOND, 'lladdr', mac!, 'dev', 'wan', 'nud', 'permanent');
  routeTo(net, [a.nat], SECOND);
  const received = receivedBy(net.relay, 'wan2');
  expect(await ping(a.client, NATIVE_ADDRESS, 3_000)).toBeUndefined();
  expect(receivedBy(net.relay, 'wan2')).toBeGreaterThan(received);
  const after = await relayCounters(net);
  expect(after['carriedIn']).toBe(before['carriedIn']);
  expect(after['inElsewhere']).toBeGreaterThan(before['inElsewhere']!);
  // Without the strict filter the host takes them.
  net.relay.sysctl('net.ipv4.conf.wan2.rp_filter', '0');
  await carries(net, a.client);
});

test('a change of routes moves a peer to another uplink, and its datagrams still arrive by the first', async () => {
  await using net = new Internet();
  const { client, nat, address } = net.site('a', 'port-restricted');
  prepare(net.relay);
  plugIn(net, 'wan2', SECOND);
  routeTo(net, [nat, net.server], RELAY_ADDRESS);
  await startRoles(net, [client]);
  const own = await teredoAddress(client);
  await carries(net, client);
  leadBy(net, 'wan2', address);
  await carries(net, client);
  const [sent, received] = [framesOf(net.relay, 'wan2').tx, receivedBy(net.relay, 'wan')];
  const before = await relayCounters(net);
  expect(await transfer(net.native, client, own, BYTES)).toMatchObject({ whole: true });
  const after = await relayCounters(net);
  expect(after['carriedOut']! - before['carriedOut']!).toBeGreaterThan(MOST);
  expect(after['carriedIn']! - before['carriedIn']!).toBeGreaterThan(0);
  // Packets cross a virtual link as super-packets.
  expect(framesOf(net.relay, 'wan2').tx).toBeGreaterThan(sent);
  expect(receivedBy(net.relay, 'wan')).toBeGreaterThan(received);
  const { dataPath } = (await statusOf(net.relay, 'relay'))!;
  expect(dataPath).toMatchObject({ uplinks: [{ interface: 'wan2', carried: 'all' }] });
});

/** From the relay to a host. */
function leadBy(net: Internet, name: string, address: string): void {
  net.relay.ip('route', 'replace', `${address}/32`, 'dev', name, 'src', ANYCAST);
}

/** Number of frames. */
function receivedBy(host: Namespace, name: string): number {
  return framesOf(host, name).rx;
}

function framesOf(host: Namespace, name: string): { rx: number; tx: number } {
  const [link] = JSON.parse(host.ip('-s', '-j', 'link', 'show', name)) as {
    stats64: Record<'rx' | 'tx', { packets: number }>;
  }[];
  const { rx, tx } = link!.stats64;
  return { rx: rx.packets, tx: tx.packets };
}

/** The host's interfaces are on one link: each answers for its own addresses only. */
function prepare(relay: Namespace): void {
  relay.ip('address', 'add', `${ANYCAST}/32`, 'dev', 'lo');
  relay.sysctl('net.ipv4.conf.all.arp_ignore', '1');
  relay.sysctl('net.ipv4.conf.all.arp_announce', '2');
}

/** One more interface of the relay, by which no packet leaves. */
function plugIn(net: Internet, name: string, address: string): void {
  net.lab.connect(net.relay, name, net.backbone, `${address}/32`);
}

function routeTo(net: Internet, from: readonly Namespace[], hop: string): void {
  for (const host of from) {
    const name = host === net.server ? 'wan' : /dev (\S+)/.exec(host.ip('route', 'get', SERVER_ADDRESS))![1]!;
    host.ip('route', 'replace', `${ANYCAST}/32`, 'via', hop, 'dev', name, 'onlink');
  }
}

async function startRoles(net: Internet, clients: readonly Namespace[]): Promise<void> {
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, ANYCAST, '--data-path', 'kernel');
  for (const client of clients) {
    await startClient(client, SERVER_ADDRESS, '--data-path', 'kernel');
    await teredoAddress(client);
  }
}

/** Traffic between a client and the native host: first until the path is proven, then much of it. */
async function carries(net: Internet, client: Namespace): Promise<void> {
  const first = await relayCounters(net);
  await until('packets that are carried', async () => {
    await ping(client, NATIVE_ADDRESS, 5_000);
    const { carriedIn, carriedOut } = await relayCounters(net);
    return (carriedIn! > first['carriedIn']! && carriedOut! > first['carriedOut']!) || undefined;
  });
  const before = await relayCounters(net);
  expect(await transfer(client, net.native, NATIVE_ADDRESS, BYTES)).toMatchObject({ whole: true });
  expect((await relayCounters(net))['carriedIn']! - before['carriedIn']!).toBeGreaterThan(MOST);
}

async function relayCounters(net: Internet): Promise<Readonly<Record<string, number>>> {
  const { dataPath } = (await statusOf(net.relay, 'relay'))!;
  return (dataPath as { counters: Record<string, number> }).counters;
}
