/** After each failure that ends, traffic flows again within 10 s of the moment when it can, without a restart. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  flushMappings,
  ping,
  timeToFirstReply,
  until,
} from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import type { ClientStatus } from '../../src/control/status.ts';
import { nameOf, startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const BACK_MS = 10_000;
const OTHER_SERVER = '203.0.113.130';

/** The address of the server that a client uses. */
async function serverOf(host: Namespace): Promise<string> {
  const { server } = (await statusOf(host, 'client')) as unknown as ClientStatus;
  return server!.address;
}

test('the first server is dead from the start: the second is used', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, `192.0.2.77,${SERVER_ADDRESS}`);
  await client.waitFor(/qualified: /, BACK_MS);
});

test('the server is killed, and comes back later', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const server = await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  server.kill('SIGKILL');
  await server.exited;
  await client.waitFor(/no server answers/, 60_000);
  await startServer(net.server, SERVER_ADDRESS);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, 20_000)).toBeLessThan(BACK_MS);
  expect(await timeToFirstReply(net.native, await teredoAddress(site.client))).toBeLessThan(BACK_MS);
});

test('the server in use dies while idle: another takes over', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  net.attach(net.relay, 'wan2', OTHER_SERVER, '203.0.113.131');
  const servers: Readonly<Record<string, Running>> = {
    [SERVER_ADDRESS]: await startServer(net.server, SERVER_ADDRESS),
    [OTHER_SERVER]: await startServer(net.relay, OTHER_SERVER),
  };
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, Object.keys(servers).join());
  await client.waitFor(/qualified: /);
  const used = await serverOf(site.client);
  servers[used]!.kill('SIGKILL');
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, 20_000)).toBeLessThan(BACK_MS);
  expect(await serverOf(site.client)).not.toBe(used);
});

test("the NAT's mappings are flushed while idle", async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  flushMappings(site.nat);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, 20_000)).toBeLessThan(BACK_MS);
});

test("the NAT's mappings are flushed while idle, and the native host sends first", async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await ping(net.native, address)).toBeDefined();
  flushMappings(site.nat);
  expect(await timeToFirstReply(net.native, address, 20_000)).toBeLessThan(BACK_MS);
});

test("the NAT's mappings move to other ports while sending", async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  const pinging = site.client.spawn('ping', ['-n', '-i', '0.2', NATIVE_ADDRESS]);
  await pinging.waitFor(/time=/);
  // From now on every mapping gets another port: the client must notice that its address has changed.
  site.nat.nft(`
    flush chain ip nat postrouting
    add rule ip nat postrouting oifname "wan" meta l4proto udp masquerade to :50000-50100
    add rule ip nat postrouting oifname "wan" masquerade`);
  flushMappings(site.nat);
  const heard = pinging.output.length;
  await until('answers again', () => /time=/.exec(pinging.output.slice(heard + 200)) ?? undefined, BACK_MS);
});

test("the client's IPv4 address changes", async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  site.client.ip('addr', 'flush', 'dev', 'eth', 'scope', 'global');
  site.client.ip('addr', 'add', `${site.network}.77/24`, 'dev', 'eth');
  site.client.ip('route', 'replace', 'default', 'via', `${site.network}.1`);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, 20_000)).toBeLessThan(BACK_MS);
});

test('CL-110: the client moves to another interface, and joins the discovery group there', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  const listensOn = (name: string): true | undefined =>
    site.client.ip('maddress', 'show', 'dev', name).includes('224.0.0.253') || undefined;
  await until('the group on the first', () => listensOn('eth'));
  site.client.ip('link', 'add', 'link', 'eth', 'name', 'other', 'type', 'macvlan', 'mode', 'bridge');
  site.client.ip('address', 'flush', 'dev', 'eth', 'scope', 'global');
  site.client.ip('address', 'add', `${site.network}.77/24`, 'dev', 'other');
  site.client.ip('link', 'set', 'other', 'up');
  site.client.ip('route', 'replace', 'default', 'via', `${site.network}.1`);
  await until('the group on the second', () => listensOn('other'), BACK_MS);
  expect(listensOn('eth')).toBeUndefined();
});

test('the relay is restarted during traffic', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  relay.kill('SIGKILL');
  await relay.exited;
  await startRelay(net.relay, RELAY_ADDRESS);
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, 20_000)).toBeLessThan(BACK_MS);
});

test('kill -9 of a role leaves nothing that prevents its next start; SIGTERM and SIGHUP leave nothing at all', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  const roles = {
    server: { host: net.server, start: () => startServer(net.server, SERVER_ADDRESS) },
    relay: { host: net.relay, start: () => startRelay(net.relay, RELAY_ADDRESS) },
    client: { host: site.client, start: () => startClient(site.client, SERVER_ADDRESS) },
  };
  for (const [role, { host, start }] of Object.entries(roles)) {
    const before = host.ip('-6', 'route');
    const killed = await start();
    killed.kill('SIGKILL');
    await killed.exited;
    const again = await start();
    expect(await statusOf(host, role)).toMatchObject({ role });
    expect(await again.stop()).toBe(0);
    const hungUp = await start();
    hungUp.kill('SIGHUP');
    expect(await hungUp.exited).toBe(0);
    expect(existsSync(controlPath(controlDirectory(), nameOf(host, role)))).toBe(false);
    expect(host.ip('link')).not.toMatch(/teredo/);
    expect(host.ip('-6', 'route')).toBe(before);
    if (role !== 'client') await start();
  }
});

test.each([
  ['ip link set teredo down; ip link set teredo up', 'link set teredo down', 'link set teredo up'],
  ['ip -6 addr flush dev teredo', '-6 addr flush dev teredo'],
  ['ip -6 route flush dev teredo', '-6 route flush dev teredo'],
])("both ends' tunnels emptied: %s", async (_, ...commands) => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS, BACK_MS)).toBeDefined();
  for (const host of [net.relay, site.client]) for (const command of commands) host.ip(...command.split(' '));
  expect(await timeToFirstReply(site.client, NATIVE_ADDRESS, BACK_MS)).toBeLessThan(BACK_MS);
  expect(await teredoAddress(site.client)).toBe(address);
  await Promise.all(
    [client, relay].map((role) => role.waitFor(/warning: another program has taken/, BACK_MS)),
  );
  expect(site.client.ip('-6', 'route', 'show', 'default')).toContain('dev teredo metric 1029');
  expect(net.relay.ip('-6', 'route', 'show', '2001::/32')).toContain('dev teredo');
});
