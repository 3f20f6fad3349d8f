/** `teredo users` shows how much each client and native prefix uses a relay, and its largest client can be blocked as the guide says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ask } from '../../src/control/control-client.ts';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import type { HeavyUser, PeersStatus, UsersStatus } from '../../src/control/status.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { ConfiguredRole } from '../support/configured-roles.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { PROGRAM, startClient, startServer, teredoAddress } from '../support/roles.ts';

/** The server's host, as a second native host in another /64. */
const OTHER_NATIVE = '2001:db8:1::2';
const [LARGE, SMALL] = IS_ALL ? [2_000_000_000, 500_000_000] : [40_000_000, 10_000_000];
const GUIDE = readFileSync(new URL('../../docs/guide/server-and-relay.md', import.meta.url), 'utf8');

const octetsOf = ({ receivedBytes, sentBytes }: Pick<HeavyUser, 'receivedBytes' | 'sentBytes'>): number =>
  receivedBytes + sentBytes;

test.each(everyNth(2, ['kernel', 'user'] as const))('path %s', async (path) => {
  await using net = new Internet();
  const large = net.site('a', 'port-restricted', { undocumented: true });
  const small = net.site('b', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const settings = [`address = "${RELAY_ADDRESS}"`, `data-path = "${path}"`];
  const relay = await ConfiguredRole.start(net.relay, 'relay', [`address = "${RELAY_ADDRESS}"`], path);
  for (const { client } of [large, small]) await startClient(client, SERVER_ADDRESS, '--data-path', path);
  const addresses = [await teredoAddress(large.client), await teredoAddress(small.client)];
  expect(await ping(large.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  expect(await ping(small.client, OTHER_NATIVE, 10_000)).toBeDefined();
  if (path === 'kernel') {
    await proveKernelPath(large.client, NATIVE_ADDRESS);
    await proveKernelPath(small.client, OTHER_NATIVE);
  }
  const transfers = [
    transfer(large.client, net.native, NATIVE_ADDRESS, LARGE),
    transfer(net.server, small.client, addresses[1]!, SMALL),
  ];
  for (const { whole } of await Promise.all(transfers)) expect(whole).toBe(true);

  const peers = (await answerOf(relay.name, 'peers')) as PeersStatus;
  const users = (await answerOf(relay.name, 'users', 'hour')) as UsersStatus;
  expect(users.peers.map(({ address }) => address)).toEqual(addresses);
  expect(users.prefixes.map(({ prefix }) => prefix)).toEqual(['2001:db8:2::/64', '2001:db8:1::/64']);
  expect(users.exact).toBe(path === 'user');
  for (const [i, user] of users.peers.entries()) {
    const real = octetsOf(peers.peers.find(({ address }) => address === user.address)!);
    expect(real).toBeGreaterThan([LARGE, SMALL][i]!);
    expect([octetsOf(user), user.errorBytes]).toEqual([real, 0]);
    const prefix = users.prefixes[i]!;
    expect(Math.abs(octetsOf(prefix) - real)).toBeLessThanOrEqual(prefix.errorBytes);
    expect(prefix.errorBytes / real).toBeLessThan(path === 'user' ? 1e-9 : 0.25);
  }

  const found = net.relay.spawn(process.execPath, [PROGRAM, ...commandOfGuide(relay.name)]);
  await found.exited;
  const [, ipv4] = new RegExp(`^${addresses[0]} +([\\d.]+):\\d+ `, 'm').exec(found.output)!;
  expect(ipv4).toBe(large.address);
  const pings = large.client.spawn('ping', ['-n', '-O', '-i', '0.2', NATIVE_ADDRESS]);
  await pings.waitFor(/time=/);
  relay.write([...settings, `deny = ["${ipv4!.replace(/\d+$/, '0')}/24"]`]);
  expect(await relay.reload()).toMatchObject({ status: 0 });
  await until('the end of its traffic', () => /(no answer yet[^\n]*\n[^]*){3}/.test(pings.output));
  expect(await ping(large.client, NATIVE_ADDRESS, 1_000)).toBeUndefined();
  expect(await ping(small.client, OTHER_NATIVE)).toBeDefined();
});

/** The command of the guide that shows the largest users, for this daemon. */
function commandOfGuide(name: string): string[] {
  const [, words] = /^1\. `teredo (users relay [^`]*)`/m.exec(GUIDE)!;
  return words!.split(' ').map((word) => (word === 'relay' ? name : word));
}

async function answerOf(name: string, command: 'peers' | 'users', window?: 'hour'): Promise<unknown> {
  const answer = await ask(controlPath(controlDirectory(), name), {
    command,
    ...(window === undefined ? {} : { window }),
  });
  if (!answer.ok) throw new Error(answer.message);
  return answer.result;
}
