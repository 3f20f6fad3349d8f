/** The metrics of one moment. */
import type { ClientStatus, HeavyUser, RelayStatus, RoleStatus } from '../../control/status.ts';
import type { PeerMeans } from '../../core/client/index.ts';
import { EVENTS } from '../log-events.ts';
import type { LogEvent } from '../log-events.ts';
import { isReady } from '../readiness.ts';
import type { RecentEvents } from '../recent-events.ts';
import type { Delay } from './event-loop.ts';
import { FAMILIES } from './families.ts';
import type { Family } from './families.ts';

export type Sample = readonly [family: Family, labels: Readonly<Record<string, string>>, value: number];

const STATES = {
  client: ['offline', 'probe', 'qualified', 'dormant'],
  server: ['running'],
  relay: ['running', 'draining'],
  'host-relay': ['running'],
} as const;
const NATS = ['unknown', 'none', 'cone', 'restricted', 'symmetric'] as const;

export function samplesOfStatus(status: RoleStatus): Sample[] {
  return [
    [FAMILIES.ready, {}, Number(isReady(status))],
    ...choice(FAMILIES.state, 'state', STATES[status.role], status.state),
    ...status.limitsReached.map((limit): Sample => [FAMILIES.limit, { limit }, 1]),
    [FAMILIES.kernelPath, {}, Number(status.dataPath.inUse === 'kernel')],
    ...packets(status),
    ...ofWorkers(status),
    ...(status.role === 'server' ? [] : peersAndTraffic(status)),
    ...(status.role === 'client' ? ofClient(status) : []),
    ...(status.role === 'relay' || status.role === 'host-relay' ? largestUsers(status) : []),
    ...(status.role === 'relay' && status.forwards !== undefined
      ? [[FAMILIES.forwards, {}, Number(status.forwards)] as const]
      : []),
  ];
}

/** The part of the kernel is in a server's counters, and not in those of others. */
function packets({ role, counters, dataPath }: RoleStatus): Sample[] {
  const kernel = dataPath.counters ?? {};
  const own = (verdict: string, count: number): number =>
    role === 'server' ? Math.max(0, count - (kernel[verdict] ?? 0)) : count;
  return [
    ...Object.entries(counters).map(([verdict, count]): Sample => [
      FAMILIES.packets,
      { path: 'user', verdict },
      own(verdict, count),
    ]),
    ...Object.entries(kernel).map(([verdict, count]): Sample => [
      FAMILIES.packets,
      { path: 'kernel', verdict },
      count,
    ]),
  ];
}

function ofWorkers({ workers = [] }: RoleStatus): Sample[] {
  return workers.map(({ receivedDatagrams }, i): Sample => [
    FAMILIES.workerDatagrams,
    { worker: String(i + 1) },
    receivedDatagrams,
  ]);
}

function peersAndTraffic({ peers, traffic, dataPath }: ClientStatus | RelayStatus): Sample[] {
  const carried = dataPath.carried ?? { peers: 0, ...NO_TRAFFIC };
  const samples: Sample[] = [
    [FAMILIES.peers, { state: 'trusted' }, peers.trusted],
    [FAMILIES.peers, { state: 'unverified' }, peers.unverified],
    [FAMILIES.peersByPath, { path: 'kernel' }, carried.peers],
    [FAMILIES.peersByPath, { path: 'user' }, Math.max(0, peers.trusted - carried.peers)],
  ];
  for (const direction of ['received', 'sent'] as const) {
    for (const [family, unit] of UNITS) {
      const [all, kernel] = [traffic[`${direction}${unit}`], carried[`${direction}${unit}`]];
      samples.push([family, { direction, path: 'kernel' }, kernel]);
      samples.push([family, { direction, path: 'user' }, Math.max(0, all - kernel)]);
    }
  }
  return samples;
}

const NO_TRAFFIC = { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 };
const UNITS = [
  [FAMILIES.trafficPackets, 'Packets'],
  [FAMILIES.trafficBytes, 'Bytes'],
] as const;

function largestUsers({ largestPeer, largestPrefix }: RelayStatus): Sample[] {
  return [...largest('client', largestPeer), ...largest('prefix', largestPrefix)];
}

/** Addresses would be labels without end. */
function largest(user: 'client' | 'prefix', largest: HeavyUser | undefined): Sample[] {
  const { receivedBytes, sentBytes, share } = largest ?? { receivedBytes: 0, sentBytes: 0, share: 0 };
  return [
    [FAMILIES.largestUser, { user }, receivedBytes + sentBytes],
    [FAMILIES.largestShare, { user }, share],
  ];
}

function ofClient(client: ClientStatus): Sample[] {
  const { server, nat, defaultRoute, portMapping, stateSeconds, refreshIntervalSeconds } = client;
  const roundTripMs = server?.roundTripMs;
  return [
    [FAMILIES.stateSeconds, {}, stateSeconds],
    ...(roundTripMs === undefined ? [] : [[FAMILIES.roundTrip, {}, roundTripMs / 1_000] as const]),
    ...choice(FAMILIES.nat, 'kind', NATS, nat),
    [FAMILIES.defaultRoute, {}, Number(defaultRoute)],
    [FAMILIES.portMapped, {}, Number(portMapping !== undefined)],
    [FAMILIES.refreshInterval, {}, refreshIntervalSeconds],
  ];
}

export function samplesOfMeans(counts: ReadonlyMap<PeerMeans, number>): Sample[] {
  return [...counts].map(([means, count]) => [FAMILIES.peersByMeans, { means }, count]);
}

export function samplesOfEvents(events: RecentEvents): Sample[] {
  const counts = Object.entries(EVENTS).map(([event, level]): Sample => [
    FAMILIES.events,
    { event, level },
    events.countOf(event as LogEvent),
  ]);
  return [...counts, [FAMILIES.kernelPathWithdrawn, {}, events.kernelPathWithdrawals]];
}

export function samplesOfProcess(version: string, { maxSeconds, meanSeconds }: Delay): Sample[] {
  const { user, system } = process.cpuUsage();
  return [
    [FAMILIES.build, { version }, 1],
    [FAMILIES.start, {}, Math.round(performance.timeOrigin) / 1_000],
    [FAMILIES.processor, {}, (user + system) / 1e6],
    [FAMILIES.memory, {}, process.memoryUsage.rss()],
    [FAMILIES.loopDelay, { statistic: 'max' }, maxSeconds],
    [FAMILIES.loopDelay, { statistic: 'mean' }, meanSeconds],
  ];
}

/** 1 for the present one, 0 for the others. */
function choice(family: Family, label: string, all: readonly string[], present: string): Sample[] {
  return all.map((one) => [family, { [label]: one }, Number(one === present)]);
}
