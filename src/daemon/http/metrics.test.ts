import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { get, httpDaemon } from '../../../test/support/http-rig.ts';
import type { ClientStatus, RelayStatus, RoleStatus, ServerStatus } from '../../control/status.ts';
import { RecentEvents } from '../recent-events.ts';
import { FAMILIES } from './families.ts';
import { samplesOfEvents, samplesOfStatus } from './sample.ts';

const CLIENT = {
  version: 1,
  name: 'it',
  role: 'client',
  state: 'qualified',
  stateSeconds: 7.5,
  nat: 'restricted',
  server: { name: 's', address: '192.0.2.1', roundTripMs: 25 },
  port: 4000,
  interface: 'teredo',
  defaultRoute: true,
  refreshIntervalSeconds: 30,
  limitsReached: ['queue'],
  peers: { trusted: 5, unverified: 2 },
  traffic: { receivedPackets: 10, receivedBytes: 1_000, sentPackets: 20, sentBytes: 2_000 },
  dataPath: {
    inUse: 'kernel',
    carried: { peers: 3, receivedPackets: 4, receivedBytes: 400, sentPackets: 5, sentBytes: 500 },
    counters: { decapTaken: 4 },
  },
  counters: { deliveredPackets: 6, 'udpSendFailures.ENOBUFS': 1 },
} as unknown as ClientStatus;

/** Of a line of the text: the value by name and labels, without those that all have. */
function valuesIn(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)!;
      const own = labels!.split(',').filter((label) => !/^(role|daemon)=/.test(label));
      return [`${name}{${own.join(',')}}`, Number(value)];
    }),
  );
}

async function scrape(status: RoleStatus): Promise<Record<string, number>> {
  const { port } = await httpDaemon({ status: () => status, role: status.role });
  const { text, headers } = await get('/metrics', { port });
  expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  return valuesIn(text);
}

test('a client: state, path, traffic and peers, in base units', async () => {
  expect(await scrape(CLIENT)).toMatchObject({
    'teredo_ready{}': 1,
    'teredo_state{state="qualified"}': 1,
    'teredo_state{state="offline"}': 0,
    'teredo_state_seconds{}': 7.5,
    'teredo_server_round_trip_seconds{}': 0.025,
    'teredo_nat{kind="restricted"}': 1,
    'teredo_limit_reached{limit="queue"}': 1,
    'teredo_kernel_path{}': 1,
    'teredo_peers{state="trusted"}': 5,
    'teredo_peers_by_path{path="kernel"}': 3,
    'teredo_peers_by_path{path="user"}': 2,
    'teredo_traffic_bytes_total{direction="received",path="kernel"}': 400,
    'teredo_traffic_bytes_total{direction="received",path="user"}': 600,
    'teredo_traffic_packets_total{direction="sent",path="user"}': 15,
    'teredo_packets_total{path="user",verdict="deliveredPackets"}': 6,
    'teredo_packets_total{path="user",verdict="udpSendFailures.ENOBUFS"}': 1,
    'teredo_packets_total{path="kernel",verdict="decapTaken"}': 4,
  });
});

test('values of what is gone are gone; a second scrape counts nothing twice', async () => {
  let status = CLIENT;
  const { port } = await httpDaemon({ status: () => status, role: 'client' });
  const scrapes = await Promise.all([1, 2, 3].map(() => get('/metrics', { port })));
  for (const { text } of scrapes)
    expect(valuesIn(text)['teredo_packets_total{path="user",verdict="deliveredPackets"}']).toBe(6);
  const { server: _, ...offline } = CLIENT;
  status = { ...offline, state: 'offline', limitsReached: [] };
  const values = valuesIn((await get('/metrics', { port })).text);
  expect(values).toMatchObject({ 'teredo_ready{}': 0, 'teredo_state{state="offline"}': 1 });
  expect(Object.keys(values).filter((name) => /round_trip|limit_reached/.test(name))).toEqual([]);
});

test('the counters of a server have the part of the kernel in them: each packet counts for one path', () => {
  const server = {
    role: 'server',
    state: 'running',
    limitsReached: [],
    counters: { solicitationsAnswered: 10 },
    dataPath: { inUse: 'kernel', counters: { solicitationsAnswered: 9 } },
  } as unknown as ServerStatus;
  const counts = samplesOfStatus(server).filter(([{ name }]) => name === 'teredo_packets_total');
  expect(counts.map(([, { path }, count]) => [path, count])).toEqual([
    ['user', 1],
    ['kernel', 9],
  ]);
});

test('the largest users of a relay have no address in a label, and are 0 without traffic', () => {
  const relay = {
    ...{ role: 'relay', state: 'running', limitsReached: [], counters: {} },
    peers: { trusted: 0, unverified: 0 },
    traffic: CLIENT.traffic,
    dataPath: { inUse: 'user' },
    largestPeer: { address: '2001::1', receivedBytes: 10, sentBytes: 5, errorBytes: 0, share: 0.75 },
  } as unknown as RelayStatus;
  const samples = samplesOfStatus(relay).filter(([{ name }]) => name.startsWith('teredo_largest_user'));
  expect(samples.map(([{ name }, labels, value]) => [name, labels, value])).toEqual([
    ['teredo_largest_user_bytes', { user: 'client' }, 15],
    ['teredo_largest_user_share_ratio', { user: 'client' }, 0.75],
    ['teredo_largest_user_bytes', { user: 'prefix' }, 0],
    ['teredo_largest_user_share_ratio', { user: 'prefix' }, 0],
  ]);
});

test('peers of a client are counted by their means, many of them in pieces', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const means = function* (): Generator<'direct' | 'relay' | undefined> {
    for (let i = 0; i < 3_000; i++) {
      const begun = performance.now();
      while (performance.now() - begun < 0.02);
      yield i % 3 === 0 ? 'direct' : i % 3 === 1 ? 'relay' : undefined;
    }
  };
  const { port } = await httpDaemon({ status: () => CLIENT, role: 'client', means });
  const values = valuesIn((await get('/metrics', { port })).text);
  clearInterval(timer);
  expect(values).toMatchObject({
    'teredo_peers_by_means{means="direct"}': 1_000,
    'teredo_peers_by_means{means="relay"}': 1_000,
    'teredo_peers_by_means{means="guess"}': 0,
  });
  expect(turns).toBeGreaterThan(15);
});

test('a kernel path that is withdrawn is counted; a start without it is not', () => {
  const events = new RecentEvents();
  const withdrawals = (): number =>
    samplesOfEvents(events).find(([{ name }]) => name === 'teredo_kernel_path_withdrawn_total')![2];
  events.noteDataPath('user');
  expect(withdrawals()).toBe(0);
  events.noteDataPath('kernel');
  events.noteDataPath('user');
  events.noteDataPath('user');
  expect(withdrawals()).toBe(1);
});

test('an event loop that was blocked shows it for a minute', async () => {
  const { port } = await httpDaemon({ status: () => CLIENT, role: 'client' });
  const delay = async (): Promise<number> =>
    valuesIn((await get('/metrics', { port })).text)['teredo_event_loop_delay_seconds{statistic="max"}']!;
  while ((await delay()) === 0); // until the first measurement
  const begun = performance.now();
  while (performance.now() - begun < 300);
  while ((await delay()) < 0.2);
  expect(await delay()).toBeGreaterThan(0.2);
});

test('the guide has all metrics with their labels', () => {
  const page = readFileSync(new URL('../../../docs/guide/watching.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| (`(?:teredo|process)_.*?) \| (.*?) \|/gm)];
  const documented = new Map(
    rows.flatMap(([, names, labels]) => wordsIn(names!).map((name) => [name, labels!] as const)),
  );
  for (const { name, labels } of Object.values(FAMILIES)) {
    expect(documented.has(name), name).toBe(true);
    for (const label of labels) expect(wordsIn(documented.get(name)!), name).toContain(label);
  }
  expect(documented.size).toBe(Object.keys(FAMILIES).length);
});

const wordsIn = (text: string): string[] => [...text.matchAll(/`(.*?)`/g)].map(([, word]) => word!);
