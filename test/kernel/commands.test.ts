/** The commands that only ask: status, peers, ping, netcheck, as text and as JSON. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import {
  DATA_PATH,
  PROGRAM,
  nameOf,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';
import { IS_ALL } from '../support/extent.ts';

async function teredo(
  host: Namespace,
  ...args: string[]
): Promise<{ status: number; stdout: string; output: string }> {
  const running = host.spawn(process.execPath, [PROGRAM, ...args]);
  return { status: await running.exited, stdout: running.stdout, output: running.output };
}

test('status and peers describe the present state; ping exits with 0 after an answer and with 5 without one', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await client.waitFor(/qualified: /);
  const address = await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();

  expect(await statusOf(site.client, 'client')).toMatchObject({
    version: 1,
    role: 'client',
    state: 'qualified',
    nat: 'restricted',
    address,
    server: { address: SERVER_ADDRESS },
    interface: 'teredo',
    defaultRoute: true,
    dataPath: { inUse: DATA_PATH },
  });
  expect(await statusOf(net.server, 'server')).toMatchObject({ role: 'server', secondary: '203.0.113.121' });
  const inWords = await teredo(site.client, 'status', nameOf(site.client, 'client'));
  expect(inWords.stdout).toMatch(/^state +qualified: Teredo works$/m);
  expect(inWords.stdout).toMatch(/^NAT +restricted, mapped to /m);

  const peers = await teredo(net.relay, 'peers', nameOf(net.relay, 'relay'), '--json');
  expect(JSON.parse(peers.stdout)).toMatchObject({ total: 1, peers: [{ address, trusted: true }] });

  const yes = await teredo(site.client, 'ping', NATIVE_ADDRESS, '--count', '2', '--json');
  expect(JSON.parse(yes.stdout)).toMatchObject({ answered: 2, teredo: false });
  expect(yes.status).toBe(0);
  const no = await teredo(site.client, 'ping', '2001:db8:2::dead', '--timeout', '1');
  expect(no.output).toMatch(/no answer from 2001:db8:2::dead within 1 s/);
  expect(no.status).toBe(5);
});

test('netcheck ranks servers by round trip, and gives the reason for each that fails', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const { status, stdout } = await teredo(
    site.client,
    'netcheck',
    '--server',
    `192.0.2.77,${SERVER_ADDRESS}`,
    '--json',
  );
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as { servers: { primary: string }[] };
  expect(report).toMatchObject({ works: true, nat: 'restricted' });
  expect(report.servers).toMatchObject([
    { primary: SERVER_ADDRESS, qualified: true },
    { primary: '192.0.2.77', qualified: false, reason: 'no-answer' },
  ]);
});

test.runIf(IS_ALL)(
  'netcheck distinguishes an answer from the wrong address, a closed port and a missing route from silence',
  async () => {
    await using net = new Internet();
    const site = net.site('a', 'full-cone');
    const check = async (server: string): Promise<string> =>
      (await teredo(site.client, 'netcheck', '--server', server)).stdout;
    expect(await check(SERVER_ADDRESS)).toMatch(/nothing listens at UDP port 3544 of 203\.0\.113\.120/);
    // The host's rules do not see answers of the kernel path.
    await startServer(net.server, SERVER_ADDRESS, '--data-path', 'user');
    net.server.nft(`
    table ip elsewhere {
      chain out { type filter hook postrouting priority 0; udp sport 3544 ip saddr set 203.0.113.99; }
    }`);
    const elsewhere = await check(SERVER_ADDRESS);
    expect(elsewhere).toMatch(/203\.0\.113\.99:3544 answers, which was not asked/);
    expect(elsewhere).toMatch(/the answer comes from another address or port/);
    site.client.ip('route', 'delete', 'default');
    expect(await check(SERVER_ADDRESS)).toMatch(/this host has no route to 203\.0\.113\.120/);
  },
);

test('after "qualified" a program can send at once', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await client.waitFor(/qualified: /);
  const once = site.client.spawn('ping', ['-n', '-c', '1', '-W', '5', NATIVE_ADDRESS]);
  expect(await once.exited, once.output).toBe(0);
});

test('netcheck needs no root', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  await startServer(net.server, SERVER_ADDRESS);
  const running = site.client.spawn('setpriv', [
    '--reuid=65534',
    '--clear-groups',
    '--',
    process.execPath,
    PROGRAM,
    'netcheck',
    '--server',
    SERVER_ADDRESS,
  ]);
  expect(await running.exited, running.output).toBe(0);
  expect(running.stdout).toMatch(/Teredo works here/);
});
