/** A server with several workers: each serves a part of the source addresses, and all together are one server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Internet, SERVER_ADDRESS, SERVER_SECONDARY, ping, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { addHost, send } from '../attack/attack-lab.ts';
import { ConfiguredRole } from '../support/configured-roles.ts';
import { IS_ALL } from '../support/extent.ts';
import { PROGRAM, spawnTeredo, startClient, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { solicitation } from '../support/server-rig.ts';
import { payloadOf } from '../support/vectors.ts';

const SOURCES = Array.from({ length: 64 }, (_, i) => `192.0.2.${100 + i}`);
const WORKERS = IS_ALL ? [2, 3, 8] : [8];

/** One of the many sources asks, from several ports. */
function ask(host: Namespace, from: readonly string[], count: number, to = SERVER_ADDRESS) {
  return send(host, { from, to, toPort: 3544, payloads: [solicitation()], count, wanted: count });
}

async function receivedBy(host: Namespace): Promise<number[]> {
  const workers = (await statusOf(host, 'server'))!['workers'] as readonly { receivedDatagrams: number }[];
  return workers.map(({ receivedDatagrams }) => receivedDatagrams);
}

test.for(WORKERS)(
  '%d workers: each has a share of the sources, and a source stays with its worker',
  async (workers) => {
    await using net = new Internet();
    const asker = addHost(net, 'asker', SOURCES[0]!);
    for (const address of SOURCES.slice(1)) asker.ip('address', 'add', `${address}/24`, 'dev', 'wan');
    const server = await startServer(net.server, SERVER_ADDRESS, '--workers', String(workers));
    expect((await ask(asker, SOURCES, 4 * SOURCES.length)).heard).toBe(4 * SOURCES.length);
    const shares = await receivedBy(net.server);
    expect(shares).toHaveLength(workers);
    // 64 sources under a random key: two workers without any would be an accident of 1 in 500,000.
    expect(shares.filter((count) => count > 0).length).toBeGreaterThanOrEqual(workers - 1);
    for (const count of shares) expect(count % 4).toBe(0);
    const status = (await statusOf(net.server, 'server'))!;
    expect(status.counters).toMatchObject({
      receivedDatagrams: 4 * SOURCES.length,
      solicitationsAnswered: 4 * SOURCES.length,
    });
    for (const source of SOURCES.slice(0, 4)) {
      const before = await receivedBy(net.server);
      await ask(asker, [source], 10);
      await ask(asker, [source], 10, SERVER_SECONDARY);
      const more = (await receivedBy(net.server)).map((count, i) => count - before[i]!);
      expect(more.toSorted((a, b) => b - a).slice(0, 2), source).toEqual([20, 0]);
    }
    const text = net.server.execute(process.execPath, PROGRAM, 'status', `${net.server.name}-server`);
    expect(text).toMatch(new RegExp(`^workers +${workers}, with \\d+ %`, 'm'));
    const second = spawnTeredo(
      net.server,
      'server',
      '--address',
      SERVER_ADDRESS,
      '--workers',
      '2',
      '--name',
      'second',
    );
    expect([await second.exited, second.output]).toEqual([
      1,
      expect.stringMatching(/is taken .by .*: end that program/),
    ]);
    await server.stop();
  },
);

test('clients of several workers qualify, find each other, and are served by changed settings', async () => {
  await using net = new Internet();
  const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
  const lines = [`address = "${SERVER_ADDRESS}"`, `secondary = "${SERVER_SECONDARY}"`, 'workers = 8'];
  const server = await ConfiguredRole.start(net.server, 'server', lines, 'user');
  await startClient(a.client, SERVER_ADDRESS);
  await startClient(b.client, SERVER_ADDRESS);
  await teredoAddress(a.client);
  expect(await ping(a.client, await teredoAddress(b.client), 10_000)).toBeDefined();
  const asker = addHost(net, 'asker', SOURCES[0]!);
  for (const address of SOURCES.slice(1)) asker.ip('address', 'add', `${address}/24`, 'dev', 'wan');
  const solicit = (count: number): Promise<unknown> =>
    send(asker, { from: SOURCES, to: SERVER_ADDRESS, toPort: 3544, payloads: [solicitation()], count });
  server.write([...lines, 'data-path = "user"', 'deny = ["192.0.2.0/24"]']);
  expect((await server.reload()).output).toContain('changed: deny');
  // A worker has the change a moment after the answer to the reload.
  await until(
    'each refusal',
    async () => (await countedWhile(net, 'droppedDenied', () => solicit(64))) >= 64,
  );
  const limits = ['data-path = "user"', 'limits.forwarded.shared.burst = 31'];
  server.write([...lines, ...limits]);
  expect(await server.reload()).toEqual({
    status: 2,
    output: expect.stringContaining('31 is too small to be divided: with 8 workers at least 32, or 0'),
  });
  server.write([
    ...lines,
    'data-path = "user"',
    'limits.answers.shared.burst = 0',
    'limits.answers.shared.per-second = 0',
    'limits.answers.reserve.burst = 1',
  ]);
  expect((await server.reload()).output).toContain('changed: deny');
  await until(
    'each answer that is left',
    async () => (await countedWhile(net, 'droppedAnswerLimit', () => solicit(128))) > 0,
  );
  await server.running.stop();
  expect(server.running.output).toMatch(/limit answers reached by 192\.0\.2\.\d+/);
});

/** By how much a counter of the server grows during some work. */
async function countedWhile(net: Internet, name: string, work: () => Promise<unknown>): Promise<number> {
  const count = async (): Promise<number> => (await statusOf(net.server, 'server'))!.counters[name] ?? 0;
  const before = await count();
  await work();
  return (await count()) - before;
}

test('workers beside the kernel path: the kernel answers, and when a rule of the host ends that, the workers do', async () => {
  await using net = new Internet();
  const asker = addHost(net, 'asker', SOURCES[0]!);
  for (const address of SOURCES.slice(1)) asker.ip('address', 'add', `${address}/24`, 'dev', 'wan');
  await startServer(net.server, SERVER_ADDRESS, '--workers', '2', '--data-path', 'kernel');
  await ask(asker, SOURCES, 2 * SOURCES.length);
  const onKernel = (await receivedBy(net.server)).reduce((sum, count) => sum + count);
  expect(onKernel).toBeLessThan(SOURCES.length);
  expect(await statusOf(net.server, 'server')).toMatchObject({
    dataPath: { inUse: 'kernel' },
    counters: { solicitationsAnswered: 2 * SOURCES.length },
  });
  net.server.nft(`
    table inet own {
      chain in {
        type filter hook input priority 0; policy accept;
        tcp dport 22 accept
      }
    }`);
  await until('the user path', async () => {
    const { inUse } = (await statusOf(net.server, 'server'))!['dataPath'] as { inUse: string };
    return inUse === 'user';
  });
  expect((await ask(asker, SOURCES, 2 * SOURCES.length)).heard).toBe(2 * SOURCES.length);
  const shares = await receivedBy(net.server);
  expect(shares.reduce((sum, count) => sum + count)).toBe(onKernel + 2 * SOURCES.length);
  for (const share of shares) expect(share).toBeGreaterThan(0);
});

test('keys hold for all workers, those of a changed file too', async () => {
  await using net = new Internet();
  const keys = join(mkdtempSync(join(tmpdir(), 'teredo-workers-')), 'keys');
  onTestFinished(() => rmSync(dirname(keys), { recursive: true }));
  const write = (text: string): void => writeFileSync(keys, text, { mode: 0o600 });
  write('client-1 s3cret\n');
  const lines = [`address = "${SERVER_ADDRESS}"`, 'workers = 8', `keys = "${keys}"`];
  const server = await ConfiguredRole.start(net.server, 'server', lines, 'user');
  const asker = addHost(net, 'asker', SOURCES[0]!);
  for (const address of SOURCES.slice(1)) asker.ip('address', 'add', `${address}/24`, 'dev', 'wan');
  const order = { from: SOURCES, to: SERVER_ADDRESS, toPort: 3544, payloads: [payloadOf('EX3')] };
  const count = SOURCES.length;
  expect((await send(asker, { ...order, count, wanted: count })).heard).toBe(count);
  write('client-2 s3cret\n');
  expect(await server.reload()).toEqual({ status: 0, output: expect.stringContaining('changed: keys') });
  await send(asker, { ...order, count });
  await until('each refusal', async () => {
    const { counters } = (await statusOf(net.server, 'server'))!;
    return counters['droppedUnauthenticated'] === count;
  });
});
