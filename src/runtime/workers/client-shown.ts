/** The numbers that a worker of a client shows to the first thread, in memory that both have. */
import { CARRYING_COUNTERS } from '../../core/offload/carrying-worker.ts';
import type { CarryingWorker } from '../../core/offload/carrying-worker.ts';
import { addTraffic } from '../../core/peer-traffic.ts';
import type { PeerTraffic } from '../../core/peer-traffic.ts';

const TRAFFIC = ['receivedPackets', 'receivedBytes', 'sentPackets', 'sentBytes'] as const;
const TRAFFIC_AT = CARRYING_COUNTERS.length;

export const SHOWN_NUMBERS = TRAFFIC_AT + TRAFFIC.length;

export function show({ counters, traffic }: CarryingWorker, shown: Float64Array): void {
  for (const [i, name] of CARRYING_COUNTERS.entries()) shown[i] = counters[name];
  for (const [i, name] of TRAFFIC.entries()) shown[TRAFFIC_AT + i] = traffic[name];
}

/** Of all workers together: each number, added to those of the first thread. */
export function withCounters(
  own: Readonly<Record<string, number>>,
  workers: readonly Float64Array[],
): Record<string, number> {
  const sum = { ...own };
  for (const name of CARRYING_COUNTERS)
    sum[name] = workers.reduce((all, shown) => all + numberOf(shown, name), own[name]!);
  return sum;
}

export function withTraffic(own: PeerTraffic, workers: readonly Float64Array[]): PeerTraffic {
  return workers.reduce((sum, shown) => {
    const numbers = TRAFFIC.map((name, i) => [name, shown[TRAFFIC_AT + i]!] as const);
    return addTraffic(sum, Object.fromEntries(numbers) as unknown as PeerTraffic);
  }, own);
}

/** Datagrams that a worker has carried, and packets of the host. */
export function shareOf(shown: Float64Array): { receivedDatagrams: number; receivedPackets: number } {
  return {
    receivedDatagrams: numberOf(shown, 'receivedDatagrams'),
    receivedPackets: numberOf(shown, 'acceptedPackets'),
  };
}

function numberOf(shown: Float64Array, name: (typeof CARRYING_COUNTERS)[number]): number {
  return shown[CARRYING_COUNTERS.indexOf(name)]!;
}
