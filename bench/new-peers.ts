/** How many new clients a relay can make reachable. */
import { Crowd } from './crowd.ts';
import { cpuSeconds } from './seats.ts';
import type { Maker } from './seats.ts';

export interface NewPeers {
  readonly perSecond: number;
  /** Of the relay's process, for each. */
  readonly cpuMicroseconds: number;
}

/** The tables of miredo, and of ours, end a little above a million. */
const MOST = 1_000_000;

/**
 * A native host sends one packet to each of many clients, as many at once as the queues hold: counted are those that reach the client
 * they are for, which means a bubble to its server, its answer, and the packet that has waited for it. Limits of ours for one native host
 * and for one server are raised in {@link Crowd}; miredo has none.
 * `before`: so many are met before that, so that the program is warm.
 */
export async function measureNewPeers(maker: Maker, seconds: number, before: number): Promise<NewPeers> {
  await using crowd = await Crowd.open(maker);
  await crowd.meet(0, before);
  const cpu = cpuSeconds(crowd.relay);
  const { arrived, seconds: took } = await crowd.meet(before, MOST, seconds);
  return {
    perSecond: arrived / took,
    cpuMicroseconds: ((cpuSeconds(crowd.relay) - cpu) * 1e6) / arrived,
  };
}
