/** Which packets of other hosts reach a client's host through the tunnel. */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { PROGRAM, startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const TABLE = 'teredo-teredo';

for (const path of ['kernel', 'user']) {
  test(`--inbound refuse --data-path ${path}: only answers come in; a client that was killed leaves no rule`, async () => {
    await using net = new Internet();
    const { client } = net.site('a', 'port-restricted');
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    const program = await startClient(client, SERVER_ADDRESS, '--data-path', path, '--inbound', 'refuse');
    const address = await teredoAddress(client);
    expect(await statusOf(client, 'client')).toMatchObject({ inbound: 'refuse' });
    expect(await ping(net.native, address, 1_000)).toBeUndefined();
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
    const pinging = client.spawn('ping', ['-6', '-c', '10', '-i', '0.05', NATIVE_ADDRESS]);
    await pinging.exited;
    expect(pinging.output).toMatch(/ 0% packet loss/);
    expect(await ping(net.native, address, 1_000)).toBeUndefined();
    expect(client.execute('nft', 'list', 'tables')).toContain(TABLE);
    expect(program.output).not.toMatch(/reachable from the whole IPv6 Internet|warning/);
    program.kill('SIGKILL');
    await until('no rule', () => !client.execute('nft', 'list', 'tables').includes(TABLE) || undefined);
  });
}

test('by default a client is open to all, and reports that once', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  const program = await startClient(client, SERVER_ADDRESS);
  const address = await teredoAddress(client);
  expect(await statusOf(client, 'client')).toMatchObject({ inbound: 'accept' });
  expect(await ping(net.native, address, 10_000)).toBeDefined();
  client.ip('link', 'set', 'eth', 'down');
  await program.waitFor(/offline|probe/);
  client.ip('link', 'set', 'eth', 'up');
  client.ip('route', 'add', 'default', 'via', '10.1.0.1');
  await until(
    'a second qualification',
    () => program.output.split('qualified: ').length > 2 || undefined,
    20_000,
  );
  expect(program.output.split('reachable from the whole IPv6 Internet')).toHaveLength(2);
});

test.runIf(IS_ALL)('ping --until-direct to a host that refuses pings names the likely cause', async () => {
  await using net = new Internet();
  const [a, b] = ['a', 'b'].map((name) => net.site(name, 'port-restricted').client) as [Namespace, Namespace];
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(a, SERVER_ADDRESS);
  await startClient(b, SERVER_ADDRESS, '--inbound', 'refuse');
  await teredoAddress(a);
  const target = await teredoAddress(b);
  const pinging = a.spawn(process.execPath, [PROGRAM, 'ping', target, '--until-direct', '--timeout', '3']);
  expect(await pinging.exited, pinging.output).toBe(5);
  expect(pinging.output).toMatch(/reached directly, at /);
  expect(pinging.output).toMatch(
    /no answer from .* the host drops pings: a firewall, or its --inbound refuse/,
  );
});
