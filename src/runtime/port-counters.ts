import type { FailureCounters, RawIpv6, Tun, UdpReceiver } from '../io/ports.ts';

/** By the port, its operation and the system's reason: `udpSendFailures.ENOBUFS`. */
export type PortCounters = Record<string, number>;

/** Datagrams the kernel dropped because they were not fetched in time, and its refusals; reasons that never occurred are absent. */
export function countUdp(all: PortCounters, { counters }: UdpReceiver): void {
  add(all, 'udpReceiveOverflows', counters.receiveOverflows);
  addFailures(all, 'udpReceiveFailures', counters.receiveFailures);
  addFailures(all, 'udpSendFailures', counters.sendFailures);
}

/** Refusals of the kernel, and the packets and super-packets that were marked (ECN) because they had waited long. */
export function countTun(all: PortCounters, { counters }: Tun): void {
  addFailures(all, 'tunReadFailures', counters.readFailures);
  addFailures(all, 'tunWriteFailures', counters.writeFailures);
  if (counters.markedPackets > 0) add(all, 'tunMarkedPackets', counters.markedPackets);
}

export function countRaw(all: PortCounters, { failures }: RawIpv6): void {
  addFailures(all, 'rawSendFailures', failures);
}

/** Refusals of the system to callbacks of this process. */
export function countSystem(all: PortCounters, failures: FailureCounters): void {
  addFailures(all, 'systemFailures', failures);
}

/** The sums of counters of the same names. */
export function sumOf(some: Readonly<PortCounters>, others: Readonly<PortCounters>): PortCounters {
  const all = { ...some };
  for (const [name, count] of Object.entries(others)) add(all, name, count);
  return all;
}

function addFailures(all: PortCounters, name: string, failures: FailureCounters): void {
  for (const [reason, count] of Object.entries(failures)) add(all, `${name}.${reason}`, count);
}

function add(all: PortCounters, name: string, count: number): void {
  all[name] = (all[name] ?? 0) + count;
}
