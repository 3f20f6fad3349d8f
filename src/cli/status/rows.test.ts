import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ClientStatus, RelayStatus, ServerStatus } from '../../control/status.ts';
import { rowsOf } from './rows.ts';
import type { Sample } from './sample.ts';

const COMMON = {
  version: 1,
  name: 'one',
  pid: 4711,
  uptimeSeconds: 7_500,
  networkNamespace: 'net:[1]',
  counters: {},
  limitsReached: [],
  dataPath: { inUse: 'kernel' },
} as const;
const TRAFFIC = { receivedPackets: 9, receivedBytes: 1_234_567, sentPackets: 9, sentBytes: 999 };

const CLIENT: ClientStatus = {
  ...COMMON,
  role: 'client',
  state: 'qualified',
  stateSeconds: 190,
  nat: 'restricted',
  server: { name: 'teredo.example.net', address: '203.0.113.120', roundTripMs: 12.34 },
  address: '2001:0:cb00:7178::1',
  mapped: '198.51.100.1:58286',
  port: 58_286,
  interface: 'teredo',
  defaultRoute: true,
  refreshIntervalSeconds: 30,
  peers: { trusted: 4, unverified: 1 },
  traffic: TRAFFIC,
};

function sampleOf(status: Sample['status'], rest: Partial<Sample> = {}): Sample {
  return { path: '/x.sock', status, at: 2_000, before: undefined, means: new Map(), ...rest };
}

test('a client that works: ten rows', () => {
  const before = sampleOf({ ...CLIENT, traffic: { ...TRAFFIC, receivedBytes: 234_567 } }, { at: 1_000 });
  const means = new Map([
    ['met', 1],
    ['direct', 3],
  ] as const);
  expect(rowsOf(sampleOf(CLIENT, { before, means }))).toEqual([
    ['daemon', 'one (client, pid 4711)'],
    ['state', 'qualified: Teredo works'],
    ['since', '3 min (started 2 h 5 min ago)'],
    ['address', '2001:0:cb00:7178::1 on teredo, for all IPv6'],
    ['NAT', 'restricted, mapped to 198.51.100.1:58286'],
    ['server', 'teredo.example.net (203.0.113.120), 12.3 ms'],
    ['traffic', 'received 1.2 MB (1.0 MB/s), sent 999 B (0 B/s)'],
    ['peers', '4 trusted (3 direct, 1 via your relay), 1 unverified'],
    ['limits', 'none reached in the last minute'],
    ['data path', 'kernel'],
  ]);
});

test('the guide shows the rows of a client', () => {
  const guide = readFileSync(new URL('../../../docs/guide/client.md', import.meta.url), 'utf8');
  const sample = /^```\n(daemon {2}[^]*?)\n```$/m.exec(guide)![1]!;
  const rows = sample.split('\n').map((line) => line.split(/ {2,}/));
  const shown = rowsOf(sampleOf({ ...CLIENT, inbound: 'accept' }));
  expect(rows.map(([name]) => name)).toEqual(shown.map(([name]) => name));
  const width = Math.max(...shown.map(([name]) => name.length));
  for (const line of sample.split('\n')) expect(line.slice(width, width + 3)).toMatch(/^ {2}\S$/);
  const inbound = (row: readonly string[]): boolean => row[0] === 'inbound';
  expect(rows.find(inbound)).toEqual([...shown.find(inbound)!]);
});

test.for([
  ['accept', 'accept: all IPv6 hosts reach this one, unless its firewall refuses them'],
  ['refuse', 'refuse: only answers come in by the tunnel'],
] as const)('inbound %s is shown', ([inbound, words]) => {
  expect(rowsOf(sampleOf({ ...CLIENT, inbound }))).toContainEqual(['inbound', words]);
});

const IN_FORCE = { inForce: true, changedSinceRead: false, refused: false, needRestart: [] };

test.for([
  [IN_FORCE, 'in force'],
  [{ ...IN_FORCE, changedSinceRead: true }, 'not all in force: changed since it was read: teredo reload'],
  [
    { ...IN_FORCE, refused: true, needRestart: ['port', 'name'] },
    'not all in force: refused by the last reload: teredo config check, or the log; needs a restart: port, name',
  ],
] as const)('the configuration file: %j', ([configuration, words]) => {
  const file = '/etc/teredo/one.toml';
  expect(rowsOf(sampleOf({ ...CLIENT, file, configuration }))).toContainEqual(['file', `${file}, ${words}`]);
  expect(rowsOf(sampleOf({ ...CLIENT, file }))).toContainEqual(['file', file]);
});

test('a client that does not work: the reason and advice', () => {
  const { server: _server, address: _address, mapped: _mapped, ...rest } = CLIENT;
  const rows = new Map(rowsOf(sampleOf({ ...rest, state: 'offline', reason: 'no-answer', nat: 'unknown' })));
  expect(rows.get('state')).toBe('offline: Teredo does not work');
  expect(rows.get('reason')).toMatch(/^no server answers over UDP/);
  expect(rows.get('to do')).toMatch(/teredo netcheck --server/);
  expect([rows.get('address'), rows.get('server')]).toEqual([undefined, undefined]);
  const probing = new Map(rowsOf(sampleOf({ ...rest, state: 'probe', nat: 'unknown' })));
  expect([probing.get('state'), probing.get('to do')]).toEqual([
    'probe: looking for a server',
    'wait some seconds',
  ]);
});

test('limits that are reached are named, and so is the reason for the user path', () => {
  const status: RelayStatus = {
    ...COMMON,
    role: 'relay',
    state: 'running',
    address: '203.0.113.120',
    announced: '198.51.100.9',
    port: 3_545,
    interface: 'teredo',
    serves: ['2000::/3'],
    access: { prefixes: 0, allow: [], deny: [], default: 'allow' },
    peers: { trusted: 2, unverified: 0 },
    traffic: TRAFFIC,
    limitsReached: ['by-source', 'contacts'],
    dataPath: { inUse: 'user', reason: 'Linux 5.10' },
  };
  expect(rowsOf(sampleOf(status)).slice(3)).toEqual([
    ['address', '203.0.113.120:3545, announced as 198.51.100.9, interface teredo'],
    ['serves', '2000::/3'],
    ['access', 'all addresses'],
    ['traffic', 'received 1.2 MB, sent 999 B'],
    ['peers', '2 trusted'],
    ['limits', 'reached in the last minute: by-source, contacts (the log has the addresses)'],
    ['data path', 'user (Linux 5.10)'],
  ]);
});

test.for([
  [{ state: 'running', stateSeconds: 7_500 }, '2 h 5 min'],
  [{ state: 'draining', stateSeconds: 7 }, '7 s (started 2 h 5 min ago)'],
  [{ state: 'draining' }, 'started 2 h 5 min ago'], // a daemon of an earlier version
  [{ state: 'running' }, '2 h 5 min'],
] as const)('how long a relay has been in its state: %j', ([state, words]) => {
  const status = { ...COMMON, role: 'relay', serves: [], access: { prefixes: 0 }, peers: {}, ...state };
  expect(rowsOf(sampleOf(status as unknown as RelayStatus))).toContainEqual(['since', words]);
});

test('a relay on a host that does not forward IPv6 has something to do', () => {
  const status = {
    ...COMMON,
    role: 'relay',
    state: 'running',
    serves: [],
    access: { prefixes: 0 },
    peers: {},
    forwards: false,
  } as unknown as RelayStatus;
  expect(new Map(rowsOf(sampleOf(status))).get('to do')).toMatch(
    /sysctl -w net\.ipv6\.conf\.all\.forwarding=1/,
  );
});

test('uplinks that the kernel does not use for all packets are named', () => {
  const uplinks = [
    { interface: 'eth0', kind: '', carried: 'all' },
    { interface: 'ppp0', kind: 'ppp', carried: 'none', reason: 'no Ethernet header' },
  ] as const;
  const status = { ...CLIENT, dataPath: { inUse: 'kernel', uplinks } } as const;
  expect(new Map(rowsOf(sampleOf(status))).get('data path')).toBe('kernel; not all by ppp0 (see --verbose)');
});

test('a server shows its work', () => {
  const status: ServerStatus = {
    ...COMMON,
    role: 'server',
    state: 'running',
    address: '203.0.113.120',
    secure: false,
    access: { prefixes: 0, allow: [], deny: [], default: 'allow' },
    counters: { solicitationsAnswered: 1_200, pingsAnswered: 34, forwardedToClients: 5 },
  };
  const before = sampleOf({ ...status, counters: {} }, { at: 1_000 });
  expect(new Map(rowsOf(sampleOf(status, { before }))).get('traffic')).toBe(
    '1,234 answered (1,234/s), 5 forwarded (5/s)',
  );
});
