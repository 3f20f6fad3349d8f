/** Networks other than one plain NAT in front of each client. */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  timeToFirstReply,
} from '../../src/lab/index.ts';
import {
  startClient,
  startHostRelay,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

test.for([
  ['any port', []],
  ['the port of discovery', ['--port', '3544']],
] as const)(
  'two clients on the LAN of one NAT that does not hairpin find each other, on %s',
  async ([, port]) => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const second = net.lab.host('client-2');
    net.join(site, second, 3);
    await startServer(net.server, SERVER_ADDRESS);
    const one = await startClient(site.client, SERVER_ADDRESS, ...port);
    const first = await teredoAddress(site.client);
    const two = await startClient(second, SERVER_ADDRESS, ...port);
    const other = await teredoAddress(second);
    expect(await timeToFirstReply(site.client, other)).toBeLessThan(1_000);
    expect(await timeToFirstReply(second, first)).toBeLessThan(1_000);
    // Where the tests run with several workers, a warning says that this machine has fewer processors.
    expect(one.output + two.output).not.toMatch(/warning: (?!\d+ workers)/);
  },
);

test('a client behind two NATs in a row reaches others and is reached', async () => {
  await using net = new Internet();
  const { client } = net.nest(net.site('a', 'port-restricted'), 'inner', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(client, SERVER_ADDRESS);
  const address = await teredoAddress(client);
  expect(await timeToFirstReply(client, NATIVE_ADDRESS)).toBeLessThan(1_000);
  expect(await timeToFirstReply(net.native, address)).toBeLessThan(1_000);
});

test('a symmetric NAT is detected and reported', async () => {
  await using net = new Internet();
  const site = net.site('a', 'symmetric-random');
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await client.waitFor(/qualified: .*NAT symmetric.*no peers behind symmetric NATs/);
  expect(await statusOf(site.client, 'client')).toMatchObject({ state: 'qualified', nat: 'symmetric' });
});

test('a server with one address reports that, and a client qualifies at once', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const server = await startServer(net.server, SERVER_ADDRESS, '--secondary', 'none');
  expect(server.output).toMatch(/one IPv4 address only/);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await client.waitFor(/qualified: .*could not be ruled out/, 3_000);
});

test('a host with native IPv6 and its own relay reaches a client that has no other relay, and forwards for no other host', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  // The host: IPv4 on the backbone, native IPv6 towards the relay's host, which runs no relay here.
  net.attach(net.native, 'wan', '192.0.2.50');
  net.native.sysctl('net.ipv6.conf.all.forwarding', '1');
  const third = net.lab.host('third');
  net.lab.wire(net.native, 'v6t', ['2001:db8:3::1/64'], third, 'v6', ['2001:db8:3::2/64']);
  third.ip('-6', 'route', 'add', 'default', 'via', '2001:db8:3::1');
  net.relay.ip('-6', 'route', 'add', '2001:db8:3::/64', 'via', NATIVE_ADDRESS);
  await startServer(net.server, SERVER_ADDRESS);
  await startHostRelay(net.native, '--address', '192.0.2.50');
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await timeToFirstReply(net.native, address)).toBeLessThan(1_000);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS)).toBeLessThan(1_000);
  expect(await timeToFirstReply(third, address, 3_000)).toBeUndefined();
  expect(await timeToFirstReply(site.client, '2001:db8:3::2', 3_000)).toBeUndefined();
});

test('H-3: a host-specific relay is for hosts with native IPv6: elsewhere it reports that, and suggests the client', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const misplaced = await startHostRelay(site.client);
  expect(misplaced.output).toMatch(/no native IPv6.*"teredo client"/);
  net.attach(net.native, 'wan', '192.0.2.50');
  const relay = await startHostRelay(net.native);
  expect(relay.output).not.toMatch(/warning/);
  await startServer(net.server, SERVER_ADDRESS);
  await relay.stop();
  const client = await startClient(net.native, SERVER_ADDRESS);
  await client.waitFor(/"teredo host-relay"/);
});

test('S-43: a server is a relay too, with a relay beside it on the same host: each has its port, and neither disturbs the other', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  net.server.sysctl('net.ipv6.conf.all.forwarding', '1');
  net.relay.ip('-6', 'route', 'add', '2001::/32', 'via', '2001:db8:1::2');
  const server = await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.server, SERVER_ADDRESS);
  expect(server.output + relay.output).not.toMatch(/warning/);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await timeToFirstReply(net.native, address)).toBeLessThan(1_000);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS)).toBeLessThan(1_000);
  const relayed = await statusOf(net.server, 'relay');
  expect(relayed).toMatchObject({
    role: 'relay',
    address: SERVER_ADDRESS,
    port: 3545,
    peers: { trusted: 1 },
  });
  expect(relayed!.counters).toMatchObject({ droppedMalformedPacket: 0, droppedLoop: 0 });
  expect((await statusOf(net.server, 'server'))!.counters['solicitationsAnswered']).toBeGreaterThan(0);
  await relay.stop();
  expect(await statusOf(net.server, 'server')).toMatchObject({ state: 'running' });
  expect(net.server.ip('-6', 'route', 'show', '2001::/32')).toBe('');
});

test('limits on the command line are those of the role: a relay that may send no bubbles sends none', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const none = ['shared', 'member', 'reserve'].flatMap((part) =>
    ['per-second', 'burst'].map((number) => `by-source.${part}.${number}=0`),
  );
  await startRelay(net.relay, RELAY_ADDRESS, '--limit', ...none, 'waiting.packets=0');
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await timeToFirstReply(net.native, address, 2_000)).toBeUndefined();
  const { counters } = (await statusOf(net.relay, 'relay'))!;
  expect(counters['bubblesSent']).toBe(0);
  expect(counters['droppedSourceLimit']).toBeGreaterThan(0);
});

test('a relay keeps no neighbour entry for each client, nor does a client for each native host', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(client, SERVER_ADDRESS);
  await teredoAddress(client);
  for (const native of [NATIVE_ADDRESS, '2001:db8:1::2', '2001:db8:1::3']) await ping(client, native, 100);
  for (const last of ['fdf4', 'fdf5']) await ping(net.native, `2001:0:c633:6401:0:dfff:3fff:${last}`, 100);
  for (const host of [client, net.relay]) {
    const neighbours = host.ip('-6', 'neighbour', 'show', 'nud', 'all', 'dev', 'teredo');
    expect(neighbours).toMatch(/^fe80::/m);
    expect(neighbours).not.toMatch(/^2001:/m);
  }
});

test('a host with native IPv6 sends only Teredo through the tunnel, and reports that', async () => {
  await using net = new Internet();
  await startServer(net.server, SERVER_ADDRESS);
  net.attach(net.native, 'wan', '192.0.2.50');
  const client = await startClient(net.native, SERVER_ADDRESS);
  await client.waitFor(/only 2001::\/32 goes through the tunnel/);
  await teredoAddress(net.native);
  expect(net.native.ip('-6', 'route', 'get', '2001:db8:77::1')).not.toMatch(/teredo/);
  expect(net.native.ip('-6', 'route', 'get', '2001:0:1::1')).toMatch(/dev teredo/);
});

test('with --default-route it sends all of it, though the native default route has the better metric', async () => {
  await using net = new Internet();
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  net.attach(net.native, 'wan', '192.0.2.50');
  const wayOut = (): string => net.native.ip('-6', 'route', 'get', '2001:db8:1::2');
  expect(wayOut()).toMatch(/dev v6/);
  const client = await startClient(net.native, SERVER_ADDRESS, '--default-route');
  await client.waitFor(/default route through teredo/);
  expect(wayOut()).toMatch(/dev teredo/);
  expect(await timeToFirstReply(net.native, '2001:db8:1::2', 10_000)).toBeDefined();
  expect(await client.stop()).toBe(0);
  expect(wayOut()).toMatch(/dev v6/);
});

test('two clients on one host: the second leaves the default route to the first, reports that, and takes over', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const first = await startClient(site.client, SERVER_ADDRESS);
  await first.waitFor(/default route through teredo/);
  const second = ['--interface', 'second', '--default-route', '--name', `${site.client.name}-second`];
  const running = await startClient(site.client, SERVER_ADDRESS, ...second);
  await running.waitFor(/another Teredo client \(teredo\) has the default route/);
  expect(await first.stop()).toBe(0);
  await running.waitFor(/default route through second/);
  expect(running.output).not.toMatch(/native IPv6|exists already/);
});

test('two clients on one host: both are reached, by other clients and by native hosts, and each answers from its own address', async () => {
  await using net = new Internet();
  const [site, other] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const first = await teredoAddress(site.client);
  await startClient(
    site.client,
    SERVER_ADDRESS,
    '--interface',
    'second',
    '--name',
    `${site.client.name}-second`,
  );
  const second = await teredoAddress(site.client, 20_000, 'second');
  await startClient(other.client, SERVER_ADDRESS);
  await teredoAddress(other.client);
  for (const address of [first, second]) {
    expect(await timeToFirstReply(other.client, address, 10_000)).toBeDefined();
    expect(await timeToFirstReply(net.native, address, 10_000)).toBeDefined();
  }
  expect(site.client.ip('-6', 'route', 'get', '2001:0:1::1')).toMatch(/dev (teredo|second) proto kernel/);
});
