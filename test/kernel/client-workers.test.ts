/** A client with several workers: each carries some of the peers in both directions, and all together are one client. */
import { expect, test } from 'vitest';
import {
  Flow,
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  moveMappings,
  ping,
  transfer,
  until,
} from '../../src/lab/index.ts';
import type { NatBehaviour, Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { startMiredoClient } from '../support/miredo.ts';
import {
  PROGRAM,
  nameOf,
  peersOf,
  spawnTeredo,
  startClient,
  startRelay,
  startServer,
  statusOf,
  teredoAddress,
  teredoAddressNow,
} from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const COUNTS = IS_ALL ? [2, 3, 8] : [2];
const ON_THE_USER_PATH = ['--data-path', 'user'];
const BYTES = 5_000_000;
/** Counted from the change of the mapping, in traffic of five packets a second. */
const FOUND_MS = 5_000;

interface Share {
  readonly receivedDatagrams: number;
  readonly receivedPackets: number;
}

async function sharesOf(host: Namespace): Promise<readonly Share[]> {
  return (await statusOf(host, 'client'))!['workers'] as readonly Share[];
}

/** The worker that has carried 100 pings to this address in both directions. */
async function workerOf(host: Namespace, address: string): Promise<number> {
  const before = await sharesOf(host);
  await host.spawn('ping', ['-n', '-q', '-i', '0.01', '-c', '100', address]).exited;
  const grown = (await sharesOf(host)).map(({ receivedDatagrams, receivedPackets }, i) => [
    receivedPackets - before[i]!.receivedPackets,
    receivedDatagrams - before[i]!.receivedDatagrams,
  ]);
  const busiest = grown.findIndex(([packets]) => packets! >= 95);
  expect(grown[busiest]?.[1], JSON.stringify(grown)).toBeGreaterThanOrEqual(95);
  return busiest;
}

test.for(COUNTS)('%d workers: clients, miredo and native hosts reach each other', async (workers) => {
  await using net = new Internet();
  const { client } = net.site('c', 'port-restricted');
  const [near, far] = [net.site('p', 'port-restricted').client, net.site('m', 'full-cone').client];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...ON_THE_USER_PATH);
  const program = await startClient(
    client,
    SERVER_ADDRESS,
    ...ON_THE_USER_PATH,
    '--workers',
    String(workers),
  );
  await startClient(near, SERVER_ADDRESS, ...ON_THE_USER_PATH);
  startMiredoClient(far, SERVER_ADDRESS);
  const [own, ours, miredos] = [
    await teredoAddress(client),
    await teredoAddress(near),
    await teredoAddress(far),
  ];

  // One side begins, then the other.
  expect(await ping(client, ours, 10_000)).toBeDefined();
  expect(await ping(far, own, 10_000)).toBeDefined();
  expect(await ping(net.native, own, 10_000)).toBeDefined();
  const carriers = [];
  for (const address of [ours, miredos, NATIVE_ADDRESS]) carriers.push(await workerOf(client, address));
  expect(new Set(carriers).size).toBe(Math.min(workers, 3));

  const sizes = { whole: true };
  const transfers = await Promise.all([
    transfer(client, near, ours, BYTES),
    transfer(far, client, own, BYTES),
    transfer(net.native, client, own, BYTES),
  ]);
  expect(transfers).toMatchObject([sizes, sizes, sizes]);

  const status = (await statusOf(client, 'client'))!;
  expect(status).toMatchObject({ dataPath: { inUse: 'user' }, peers: { trusted: 3 } });
  expect(status['workers']).toHaveLength(workers);
  const { peers } = await peersOf(client, 'client');
  expect(peers.map(({ address }) => address).toSorted()).toEqual([ours, miredos, NATIVE_ADDRESS].toSorted());
  // A report comes within half a second.
  await until('all octets', async () => {
    const known = (await peersOf(client, 'client')).peers;
    return known.every(({ sentBytes, receivedBytes }) => sentBytes + receivedBytes > BYTES);
  });
  const text = client.execute(process.execPath, PROGRAM, 'status', nameOf(client, 'client'));
  expect(text).toMatch(new RegExp(`^workers +${workers}, with \\d+ %`, 'm'));
  await program.stop();
  expect(client.ip('-j', 'link')).not.toContain('teredo');
});

const NATS: readonly NatBehaviour[] = IS_ALL
  ? ['port-restricted', 'symmetric-random', 'symmetric-sequential', 'full-cone']
  : [];

test.for(NATS)('behind a NAT (%s) that gives another mapping, traffic flows again', async (behaviour) => {
  await using net = new Internet();
  const site = net.site('c', behaviour);
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...ON_THE_USER_PATH);
  await startClient(site.client, SERVER_ADDRESS, ...ON_THE_USER_PATH, '--workers', '8');
  const before = await teredoAddress(site.client);
  await using out = await Flow.start(site.client, () => NATIVE_ADDRESS);
  moveMappings(site.nat, site.options);
  const since = Date.now();
  expect(await out.found(since)).toBeLessThan(FOUND_MS);
  const after = await until('another address', () => {
    const now = teredoAddressNow(site.client);
    return now === before ? undefined : now;
  });
  expect(await ping(net.native, after, 10_000)).toBeDefined();
  await workerOf(site.client, NATIVE_ADDRESS);
});

test('what a client with workers cannot do is refused at the start', async () => {
  await using net = new Internet();
  const { client } = net.site('c', 'full-cone');
  await startServer(net.server, SERVER_ADDRESS);
  const args = ['--server', SERVER_ADDRESS, '--workers', '2'];
  const kernel = spawnTeredo(client, 'client', ...args, '--data-path', 'kernel');
  expect(await endOf(kernel)).toEqual([2, expect.stringMatching(/kernel path uses all processors/)]);
  const guest = client.spawn(process.execPath, [PROGRAM, 'exec', ...args, '--', 'true']);
  expect(await endOf(guest)).toEqual([2, expect.stringMatching(/unknown option '--workers'/)]);
  const caps = '-bpf,-sys_admin,-perfmon';
  const withoutBpf = client.spawn('setpriv', [
    ...[`--bounding-set=${caps}`, `--inh-caps=${caps}`],
    ...[process.execPath, PROGRAM, 'client', ...args],
  ]);
  expect(await endOf(withoutBpf)).toEqual([
    4,
    expect.stringMatching(
      /dividing packets among workers needs root or CAP_BPF and CAP_NET_ADMIN; --workers 1 does without/,
    ),
  ]);
  const running = await startClient(client, SERVER_ADDRESS, '--data-path', 'auto', '--workers', '2');
  expect(running.output).toMatch(/several workers carry packets on the user path only/);
  const port = String((await statusOf(client, 'client'))!['port']);
  const second = spawnTeredo(
    client,
    'client',
    ...args,
    ...['--interface', 'other', '--port', port, '--name', `${client.name}-second`],
  );
  expect(await endOf(second)).toEqual([1, expect.stringMatching(/UDP port \d+ is taken/)]);
});

test('after a restart with another number of workers all is as before; from one to several the start is clean', async () => {
  await using net = new Internet();
  const { client } = net.site('c', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, ...ON_THE_USER_PATH);
  const args = (workers: number): string[] => [
    ...['--server', SERVER_ADDRESS, ...ON_THE_USER_PATH],
    ...['--workers', String(workers)],
  ];
  const role = await ManagedRole.start(client, 'client', args(3), args(2));
  const before = await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  await workerOf(client, NATIVE_ADDRESS);
  await role.restart();
  expect(role.output).toContain('1 peer taken over from the last process');
  expect(await teredoAddress(client)).toBe(before);
  expect(await ping(net.native, before, 10_000)).toBeDefined();
  expect(await sharesOf(client)).toHaveLength(2);
  expect(await workerOf(client, NATIVE_ADDRESS)).toBe(1);
  await role.stop();
  const other = await ManagedRole.start(client, 'client', args(1), args(2));
  await other.restart();
  expect(other.output).toContain('clean start');
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  await other.stop();
});

/** A module that fails in each thread but the first, once the program runs. */
const FAILING = `data:text/javascript,${encodeURIComponent(`
  import { isMainThread } from 'node:worker_threads';
  if (!isMainThread) setTimeout(() => { throw new Error('boom'); }, 1500);
`)}`;

test('a worker that fails ends the program, and so does an interface that goes', async () => {
  await using net = new Internet();
  const { client } = net.site('c', 'full-cone');
  await startServer(net.server, SERVER_ADDRESS);
  const args = ['client', '--server', SERVER_ADDRESS, ...ON_THE_USER_PATH, '--workers', '2'];
  const failing = client.spawn(process.execPath, [
    '--import',
    FAILING,
    PROGRAM,
    ...args,
    '--name',
    'failing',
  ]);
  expect(await endOf(failing)).toEqual([1, expect.stringMatching(/worker 2 of 2: boom/)]);
  const running = await startClient(client, SERVER_ADDRESS, ...ON_THE_USER_PATH, '--workers', '2');
  client.ip('link', 'delete', 'teredo');
  expect(await endOf(running)).toEqual([1, expect.stringMatching(/the interface teredo was removed/)]);
});

async function endOf(running: Running): Promise<[number, string]> {
  return [await running.exited, running.output];
}
