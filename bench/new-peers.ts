/** How many new clients a relay can reach per second. */
import { Crowd } from './crowd.ts';
import { cpuSeconds, startRelay } from './variants.ts';
import type { TeredoVariant } from './variants.ts';

export interface NewPeers {
  readonly perSecond: number;
  /** Microseconds of the relay's process for each client. */
  readonly cpuMicroseconds: number;
}

/** The tables of miredo and of this program hold a little more than a million. */
const MOST = 1_000_000;

/**
 * A native host sends one packet to each of many clients, as many at once as the queues hold. Counts the packets that reach their client;
 * each takes a bubble to the client's server, the answer, and the delivery of the queued packet. The limits of this program for one native
 * host and for one server are raised in {@link Crowd}; miredo has none.
 * `before`: the number of clients served first, so that the program is warm.
 */
export async function measureNewPeers(
  variant: TeredoVariant,
  seconds: number,
  before: number,
): Promise<NewPeers> {
  await using crowd = await Crowd.open(variant);
  await crowd.meet(0, before);
  const cpu = cpuSeconds(crowd.relay);
  const { arrived, seconds: took } = await crowd.meet(before, MOST, seconds);
  return {
    perSecond: arrived / took,
    cpuMicroseconds: ((cpuSeconds(crowd.relay) - cpu) * 1e6) / arrived,
  };
}

/** The same with the default limits: all packets are of one native host, and all clients have one server. Clients reached per second. */
export async function measureWithDefaultLimits(seconds: number): Promise<number> {
  await using crowd = await Crowd.openWith((net) => startRelay(net, 'kernel'));
  const { arrived, seconds: took } = await crowd.meet(0, MOST, seconds);
  return arrived / took;
}
