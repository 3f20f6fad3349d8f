/** The numbers that a worker of a relay shows to the first thread, in memory that both have. */
import { RELAY_COUNTERS } from '../../core/relay/index.ts';
import type { RelayMachine } from '../../core/relay/index.ts';
import type { PeerCounts } from '../../core/peer-table.ts';
import type { PeerTraffic } from '../../core/peer-traffic.ts';

const PEERS = ['trusted', 'unverified'] as const;
const TRAFFIC = ['receivedPackets', 'receivedBytes', 'sentPackets', 'sentBytes'] as const;
const [PEERS_AT, TRAFFIC_AT] = [RELAY_COUNTERS.length, RELAY_COUNTERS.length + PEERS.length];

export const SHOWN_NUMBERS = TRAFFIC_AT + TRAFFIC.length;

export function show({ counters, peers }: RelayMachine, shown: Float64Array): void {
  for (const [i, name] of RELAY_COUNTERS.entries()) shown[i] = counters[name];
  const { peerCounts, ownTraffic } = peers;
  for (const [i, name] of PEERS.entries()) shown[PEERS_AT + i] = peerCounts[name];
  for (const [i, name] of TRAFFIC.entries()) shown[TRAFFIC_AT + i] = ownTraffic[name];
}

/** Of all workers together: each number, added to those of the first thread. */
export function withCounters(
  own: Readonly<Record<string, number>>,
  workers: readonly Float64Array[],
): Record<string, number> {
  const sum = { ...own };
  for (const [i, name] of RELAY_COUNTERS.entries()) sum[name] = own[name]! + sumAt(workers, i);
  return sum;
}

export function withPeers(own: PeerCounts, workers: readonly Float64Array[]): PeerCounts {
  return {
    trusted: own.trusted + sumAt(workers, PEERS_AT),
    unverified: own.unverified + sumAt(workers, PEERS_AT + 1),
  };
}

export function withTraffic(own: PeerTraffic, workers: readonly Float64Array[]): PeerTraffic {
  const sum = TRAFFIC.map((name, i) => [name, own[name] + sumAt(workers, TRAFFIC_AT + i)] as const);
  return Object.fromEntries(sum) as unknown as PeerTraffic;
}

/** Datagrams that a worker has received. */
export function receivedBy(shown: Float64Array): number {
  return shown[RELAY_COUNTERS.indexOf('receivedDatagrams')]!;
}

/** Packets of the host that a worker has read. */
export function readBy(shown: Float64Array): number {
  return shown[RELAY_COUNTERS.indexOf('receivedPackets')]!;
}

function sumAt(workers: readonly Float64Array[], at: number): number {
  return workers.reduce((sum, shown) => sum + shown[at]!, 0);
}
