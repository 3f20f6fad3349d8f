/**
 * Each side uses the data path of its own choice, and TCP arrives whole with any choice of the other side. On virtual links, as here,
 * nothing segments a super-packet on its way, and only a peer whose kernel unwraps them may get one.
 */
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ask } from '../../src/control/control-client.ts';
import { controlPath } from '../../src/control/control-path.ts';
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
import { withOpenTun } from '../support/open-tun.ts';
import { proveKernelPath } from '../support/carried.ts';
import { descriptorTexts } from '../support/descriptor-texts.ts';
import { startMiredoClient } from '../support/miredo.ts';
import { PROGRAM, startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { everyNth } from '../support/extent.ts';

const BYTES = 20_000_000;
/** The number of packets that most of this many bytes take. */
const MOST = 12_000;

test.each(everyNth(2, ['kernel', 'user', 'miredo']))(
  'a client on the kernel path, its peer: %s',
  async (kind) => {
    await using net = new Internet();
    const a = net.site('a', 'port-restricted').client;
    const b = net.site('b', 'port-restricted').client;
    await startServer(net.server, SERVER_ADDRESS);
    await startClient(a, SERVER_ADDRESS, '--data-path', 'kernel');
    if (kind === 'miredo') startMiredoClient(b, SERVER_ADDRESS);
    else await startClient(b, SERVER_ADDRESS, '--data-path', kind);
    const [addressA, addressB] = [await teredoAddress(a), await teredoAddress(b)];
    expect(await ping(a, addressB, 10_000)).toBeDefined();
    if (kind === 'kernel') {
      await proveKernelPath(a, addressB);
      await proveKernelPath(b, addressA);
    }
    expect(await transfer(a, b, addressB, BYTES, 20_000)).toMatchObject({ whole: true });
    expect(await transfer(b, a, addressA, BYTES, 20_000)).toMatchObject({ whole: true });
    const packets = await carried(a, 'client');
    // A process sends in runs, and those are left to the process here.
    if (kind !== 'user') expect(packets.in).toBeGreaterThan(MOST);
    if (kind === 'kernel') expect(packets.out).toBeGreaterThan(MOST);
  },
);

test.each(
  everyNth(2, [
    ['kernel', 'user'],
    ['user', 'kernel'],
    ['kernel', 'kernel'],
  ]),
)('client: %s, relay: %s', async (client, relay) => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--data-path', relay);
  await startClient(a, SERVER_ADDRESS, '--data-path', client);
  const address = await teredoAddress(a);
  expect(await ping(a, NATIVE_ADDRESS, 10_000)).toBeDefined();
  if (client === relay) await proveKernelPath(a, NATIVE_ADDRESS, net.relay);
  expect(await transfer(a, net.native, NATIVE_ADDRESS, BYTES, 20_000)).toMatchObject({ whole: true });
  expect(await transfer(net.native, a, address, BYTES, 20_000)).toMatchObject({ whole: true });
  if (client !== relay) return;
  for (const packets of [await carried(a, 'client'), await carried(net.relay, 'relay')]) {
    expect(packets.in).toBeGreaterThan(MOST);
    expect(packets.out).toBeGreaterThan(MOST);
  }
});

test.each([
  ['+net_admin', { inUse: 'user', reason: 'not permitted: it needs root, or CAP_BPF and CAP_NET_ADMIN' }],
  ['+net_admin,+bpf', { inUse: 'kernel' }],
])(
  'a plain user with %s: the kernel path if permitted, otherwise the user path, with the reason',
  async (rights, path) => {
    await using net = new Internet();
    const folder = mkdtempSync(join(tmpdir(), 'teredo-plain-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    chownSync(folder, 65_534, 65_534);
    const sets = ['--inh-caps', '--ambient-caps', '--bounding-set'].flatMap((set) => [set, `-all,${rights}`]);
    const user = ['--reuid', '65534', '--clear-groups', ...sets, '--', process.execPath, PROGRAM];
    const relay = net.relay.spawn(
      'unshare',
      withOpenTun('setpriv', ...user, 'relay', '--address', RELAY_ADDRESS, '--name', 'relay'),
      {
        TEREDO_RUNTIME_DIR: folder,
      },
    );
    await relay.waitFor(/is running/);
    const answer = await ask(controlPath(folder, 'relay'), { command: 'status' });
    expect(answer).toMatchObject({ ok: true, result: { dataPath: path } });
    if (path.inUse === 'user') await relay.waitFor(/data path: user \(not permitted: /);
  },
);

test("a server's kernel path handles all solicitations and bubbles except samples, and no pings", async () => {
  await using net = new Internet();
  const a = net.site('a', 'port-restricted').client;
  const b = net.site('b', 'port-restricted').client;
  await startServer(net.server, SERVER_ADDRESS, '--data-path', 'kernel');
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(a, SERVER_ADDRESS);
  startMiredoClient(b, SERVER_ADDRESS);
  await teredoAddress(a);
  const addressB = await teredoAddress(b);
  expect(await ping(a, addressB, 10_000)).toBeDefined();
  expect(await ping(a, NATIVE_ADDRESS, 10_000)).toBeDefined();
  const { counters, dataPath } = (await statusOf(net.server, 'server'))!;
  const { counters: kernel } = dataPath as { counters: Record<string, number> };
  expect(counters['solicitationsAnswered']).toBe(3); // two of this program's clients, one of miredo's
  expect(kernel['solicitationsAnswered']! + kernel['forwardedToClients']!).toBeGreaterThan(0);
  // The process has handled only the samples.
  const all = (of: Record<string, number>) => of['solicitationsAnswered']! + of['forwardedToClients']!;
  expect(all(counters)).toBe(all(kernel) + kernel['leftToSockets']!);
  expect(counters['forwardedToNative']).toBeGreaterThan(0);
});

test('a killed process leaves no program at its uplink; if the kernel keeps the programs, the next process removes them', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel');
  await startClient(site.client, SERVER_ADDRESS);
  await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  const its = programsOf(relay.pid);
  expect(its.length).toBeGreaterThan(1);
  relay.kill('SIGKILL');
  await relay.exited;
  // Filters at clsact (kernels before 6.6) stay until then.
  if (net.relay.execute('tc', 'filter', 'show', 'dev', 'wan', 'ingress') !== '')
    await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel');
  const all = (): { id: number }[] =>
    JSON.parse(net.relay.execute('bpftool', '-j', 'prog', 'show')) as { id: number }[];
  const left = (): unknown[] => all().filter(({ id }) => its.includes(id));
  await until('their removal', () => left().length === 0 || undefined);
});

/** Identifiers of the kernel programs that a process holds. */
function programsOf(pid: number): number[] {
  return [
    ...new Set(
      descriptorTexts(pid)
        .flatMap((text) => /^prog_id:\t(\d+)/m.exec(text)?.[1] ?? [])
        .map(Number),
    ),
  ];
}

/** Packets that the kernel has carried out and in; status reports them at once. */
async function carried(host: Namespace, role: string): Promise<{ out: number; in: number }> {
  const { counters, carried } = (await statusOf(host, role))!['dataPath'] as {
    counters: Record<string, number>;
    carried: Record<string, number>;
  };
  expect(carried['sentPackets']).toBe(counters['carriedOut']);
  expect(carried['receivedPackets']).toBe(counters['carriedIn']);
  for (const [octets, packets] of [
    [carried['sentBytes']!, counters['carriedOut']!],
    [carried['receivedBytes']!, counters['carriedIn']!],
  ] as const)
    if (packets > MOST) expect(octets).toBeGreaterThan(BYTES / 2);
  return { out: counters['carriedOut']!, in: counters['carriedIn']! };
}
