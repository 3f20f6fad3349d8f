/** A relay with several workers: each has some of the clients in both directions, and all together are one relay. */
import { expect, test } from 'vitest';
import { ask } from '../../src/control/control-client.ts';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import type { UsersStatus } from '../../src/control/status.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace, Running } from '../../src/lab/index.ts';
import { ConfiguredRole } from '../support/configured-roles.ts';
import { IS_ALL } from '../support/extent.ts';
import {
  PROGRAM,
  nameOf,
  peersOf,
  spawnTeredo,
  startClient,
  startHostRelay,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
} from '../support/roles.ts';

const NATS: readonly NatBehaviour[] = ['port-restricted', 'symmetric-random', 'full-cone', 'port-restricted'];
const COUNTS = IS_ALL ? [2, 3, 8] : [8];
const ON_THE_USER_PATH = ['--data-path', 'user'];

interface Share {
  readonly receivedDatagrams: number;
  readonly receivedPackets: number;
}

async function sharesOf(host: Namespace, role = 'relay'): Promise<readonly Share[]> {
  return (await statusOf(host, role))!['workers'] as readonly Share[];
}

/** By how much each worker's share grows during some work. */
async function sharesOfWork(host: Namespace, work: () => Promise<unknown>): Promise<Share[]> {
  const before = await sharesOf(host);
  await work();
  return (await sharesOf(host)).map(({ receivedDatagrams, receivedPackets }, i) => ({
    receivedDatagrams: receivedDatagrams - before[i]!.receivedDatagrams,
    receivedPackets: receivedPackets - before[i]!.receivedPackets,
  }));
}

async function usersOf(host: Namespace): Promise<UsersStatus> {
  const path = controlPath(controlDirectory(), nameOf(host, 'relay'));
  const answer = await ask(path, { command: 'users', window: 'hour', limit: 10 });
  if (!answer.ok) throw new Error(answer.message);
  return answer.result as UsersStatus;
}

test.for(COUNTS)('%d workers: clients behind NATs and native hosts reach each other', async (workers) => {
  await using net = new Internet();
  const sites = NATS.map((behaviour, i) => net.site(`c${i}`, behaviour));
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS, ...ON_THE_USER_PATH, '--workers', String(workers));
  for (const { client } of sites) await startClient(client, SERVER_ADDRESS, ...ON_THE_USER_PATH);
  const addresses = await Promise.all(sites.map(({ client }) => teredoAddress(client)));

  // The relay has to find the first half; the other half finds the relay.
  for (const [i, { client }] of sites.entries()) {
    const reply =
      i % 2 === 0 ? ping(net.native, addresses[i]!, 10_000) : ping(client, NATIVE_ADDRESS, 10_000);
    expect(await reply, NATS[i]).toBeDefined();
  }
  for (const [i, address] of addresses.entries()) {
    expect(await ping(net.native, address, 10_000), NATS[i]).toBeDefined();
    const pings = (): Promise<unknown> =>
      net.native.spawn('ping', ['-n', '-q', '-i', '0.01', '-c', '100', address]).exited;
    const grown = await sharesOfWork(net.relay, pings);
    // Others may send a packet of their maintenance meanwhile.
    const busiest = grown.findIndex(({ receivedPackets }) => receivedPackets >= 100);
    expect(grown[busiest]?.receivedDatagrams, JSON.stringify(grown)).toBeGreaterThanOrEqual(100);
    const others = grown.filter((_, at) => at !== busiest);
    for (const share of others) expect(share.receivedPackets + share.receivedDatagrams).toBeLessThan(20);
  }

  const sizes = { whole: true };
  const [down, up] = await Promise.all([
    transfer(net.native, sites[0]!.client, addresses[0]!, 5_000_000),
    transfer(sites[1]!.client, net.native, NATIVE_ADDRESS, 5_000_000),
  ]);
  expect([down, up]).toMatchObject([sizes, sizes]);

  const status = (await statusOf(net.relay, 'relay'))!;
  expect(status).toMatchObject({
    dataPath: { inUse: 'user' },
    peers: { trusted: NATS.length, unverified: 0 },
  });
  const shares = await sharesOf(net.relay);
  expect(shares).toHaveLength(workers);
  const all = shares.reduce((sum, { receivedPackets }) => sum + receivedPackets, 0);
  expect(status.counters['receivedPackets']).toBeGreaterThanOrEqual(all);
  const known = await peersOf(net.relay, 'relay');
  expect(known.total).toBe(NATS.length);
  expect(known.peers.map(({ address }) => address).toSorted()).toEqual(addresses.toSorted());
  for (const peer of known.peers) {
    expect(peer).toMatchObject({ trusted: true, carried: 'none' });
    expect(peer.receivedPackets).toBeGreaterThan(100);
    expect(peer.receivedSecondsAgo).toBeLessThan(60);
  }
  const users = await usersOf(net.relay);
  expect(users.peers.map(({ address }) => address).toSorted()).toEqual(addresses.toSorted());
  expect(users).toMatchObject({ exact: true, prefixes: [{ prefix: '2001:db8:2::/64', errorBytes: 0 }] });
  expect(users.totalBytes).toBeGreaterThan(10_000_000);
  const text = net.relay.execute(process.execPath, PROGRAM, 'status', nameOf(net.relay, 'relay'));
  expect(text).toMatch(new RegExp(`^workers +${workers}, with \\d+ %`, 'm'));
  await relay.stop();
  expect(net.relay.ip('-j', 'link')).not.toContain('teredo');
});

test('a host-specific relay with workers serves the addresses that its host has at the time', async () => {
  await using net = new Internet();
  const sites = NATS.slice(0, 3).map((behaviour, i) => net.site(`c${i}`, behaviour));
  net.attach(net.native, 'wan', '192.0.2.50');
  await startServer(net.server, SERVER_ADDRESS);
  await startHostRelay(net.native, ...ON_THE_USER_PATH, '--workers', '8');
  for (const { client } of sites) await startClient(client, SERVER_ADDRESS, ...ON_THE_USER_PATH);
  const reach = async (address: string): Promise<void> => {
    for (const { client } of sites) expect(await ping(client, address, 10_000)).toBeDefined();
  };
  await Promise.all(sites.map(({ client }) => teredoAddress(client)));
  await reach(NATIVE_ADDRESS);
  // A change of the host reaches all workers.
  net.native.ip('addr', 'add', '2001:db8:2::77/64', 'dev', 'v6', 'nodad');
  await reach('2001:db8:2::77');
  expect(
    (await sharesOf(net.native, 'host-relay')).reduce((sum, one) => sum + one.receivedPackets, 0),
  ).toBeGreaterThan(0);
});

test('changed access and limits reach all workers; limits that cannot be divided are refused', async () => {
  await using net = new Internet();
  const sites = NATS.slice(0, 3).map((behaviour, i) => net.site(`c${i}`, behaviour));
  await startServer(net.server, SERVER_ADDRESS);
  const lines = [`address = "${RELAY_ADDRESS}"`, 'workers = 8'];
  const relay = await ConfiguredRole.start(net.relay, 'relay', lines, 'user');
  for (const { client } of sites) await startClient(client, SERVER_ADDRESS, ...ON_THE_USER_PATH);
  for (const { client } of sites) {
    await teredoAddress(client);
    expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  }
  const same = [...lines, 'data-path = "user"'];
  relay.write([...same, 'deny = ["198.51.100.0/24"]']);
  expect((await relay.reload()).output).toContain('changed: deny');
  // A worker has the change a moment after the answer to the reload.
  await until('no peer', async () => (await statusOf(net.relay, 'relay'))!.peers.trusted === 0);
  relay.write([...same, 'limits.errors.burst = 7']);
  expect(await relay.reload()).toEqual({
    status: 2,
    output: expect.stringContaining('7 is too small to be divided: with 8 workers at least 8, or 0'),
  });
  relay.write(same);
  expect((await relay.reload()).output).toContain('changed: deny');
  for (const { client } of sites) expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
});

test('what a relay with workers cannot do is refused at the start', async () => {
  await using net = new Internet();
  const refusal = async (...args: string[]): Promise<[number, string]> => {
    const running = spawnTeredo(net.relay, 'relay', '--address', RELAY_ADDRESS, '--workers', '2', ...args);
    return [await running.exited, running.output];
  };
  expect(await refusal('--data-path', 'kernel')).toEqual([
    2,
    expect.stringMatching(/kernel path uses all processors/),
  ]);
  expect(await refusal('--data-path', 'user', '--meet')).toEqual([
    2,
    expect.stringMatching(/two clients that meet/),
  ]);
  const withoutBpf = net.relay.spawn('setpriv', [
    '--bounding-set=-bpf,-sys_admin,-perfmon',
    '--inh-caps=-bpf,-sys_admin,-perfmon',
    process.execPath,
    PROGRAM,
    'relay',
    '--address',
    RELAY_ADDRESS,
    '--workers',
    '2',
  ]);
  expect([await withoutBpf.exited, withoutBpf.output]).toEqual([
    4,
    expect.stringMatching(
      /dividing packets among workers needs root or CAP_BPF and CAP_NET_ADMIN; --workers 1 does without/,
    ),
  ]);
  const running = await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'auto', '--workers', '2');
  expect(running.output).toMatch(/several workers carry packets on the user path only/);
});

/** A module that fails in each thread but the first, once the program runs. */
const FAILING = `data:text/javascript,${encodeURIComponent(`
  import { isMainThread } from 'node:worker_threads';
  if (!isMainThread) setTimeout(() => { throw new Error('boom'); }, 1500);
`)}`;

test('a worker that fails ends the program, and so does an interface that goes', async () => {
  await using net = new Internet();
  const failing = net.relay.spawn(process.execPath, [
    ...['--import', FAILING, PROGRAM, 'relay', '--address', RELAY_ADDRESS],
    ...[...ON_THE_USER_PATH, '--workers', '2', '--name', 'failing'],
  ]);
  expect(await endOf(failing)).toEqual([1, expect.stringMatching(/worker 2 of 2: boom/)]);
  const relay = await startRelay(net.relay, RELAY_ADDRESS, ...ON_THE_USER_PATH, '--workers', '2');
  net.relay.ip('link', 'delete', 'teredo');
  expect(await endOf(relay)).toEqual([1, expect.stringMatching(/the interface teredo was removed/)]);
});

async function endOf(running: Running): Promise<[number, string]> {
  return [await running.exited, running.output];
}
