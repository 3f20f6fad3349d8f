/** A relay by itself: its rate, and the cost of a packet at a rate that each can carry. The null relay forwards plain IPv6 the same way. */
import { Crowd } from './crowd.ts';
import { findGenerators } from './generators.ts';
import type { Direction } from './iperf.ts';
import { relayCarried, relayCost, relayProcess, relayRate } from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { SeatDrops } from './seat-drops.ts';
import { Together } from './together.ts';
import { carriedPackets, cpuSeconds } from './variants.ts';

const SEATS = ['null', 'miredo', 'user', 'kernel'] as const;
type Seat = (typeof SEATS)[number];
/** Where a process carries the packets. */
const WORKS: ReadonlySet<Seat> = new Set(['miredo', 'user']);

const SIZE = 1_280;
/** Packets per second at which costs are compared. */
const PACE = 40_000;
const MOST_GENERATORS = 3;
/** If the sender does not reach this share of the pace, it is the limit. */
const ENOUGH = 0.95;

export const relay: Row = async (order) => {
  await using all = new Together();
  const crowds = new Map<Seat, Crowd>();
  for (const seat of SEATS) crowds.set(seat, all.use(await Crowd.open(seat)));
  for (const direction of ['up', 'down'] as const) await measure(order, crowds, direction);
};

async function measure(order: Order, crowds: ReadonlyMap<Seat, Crowd>, direction: Direction): Promise<void> {
  const { results, seconds } = order;
  const drops = new SeatDrops(SEATS, order, (seat) => crowds.get(seat as Seat)!.drops());
  const load = async (seat: Seat, generators: number, perSecond: number, begin?: () => void) => {
    const crowd = crowds.get(seat)!;
    if (seat !== 'null') await refresh(crowd);
    const work = () => crowd.load(direction, { seconds, size: SIZE, generators, perSecond });
    return await drops.during(seat, work, begin);
  };
  const counts = new Map<Seat, number>();
  for (const seat of SEATS) {
    const { count, isBound } = await findGenerators(order, MOST_GENERATORS, async (generators) => {
      const { value } = await load(seat, generators, 0);
      return value.arrived / value.seconds;
    });
    counts.set(seat, count);
    order.say(`${direction}, ${seat}: ${count} generators`);
    results.noteGenerators(relayRate(direction), seat, count, isBound);
  }
  await alternate(order, SEATS, async (seat) => {
    const { value: fast } = await load(seat, counts.get(seat)!, 0);
    results.add(relayRate(direction), seat, fast.arrived / fast.seconds);
    let [processBefore, carriedBefore] = [0, 0];
    const { value: paced, busy } = await load(seat, 1, PACE, () => {
      carriedBefore = seat === 'kernel' ? carriedPackets(crowds.get(seat)!.net.relay) : 0;
      processBefore = processSeconds(crowds, seat);
    });
    const used = processSeconds(crowds, seat) - processBefore;
    if (seat === 'kernel') {
      const carried = carriedPackets(crowds.get(seat)!.net.relay) - carriedBefore;
      results.add(relayCarried(direction), seat, carried / paced.arrived);
    }
    if (WORKS.has(seat)) results.add(relayProcess(direction), seat, (used * 1e6) / paced.arrived);
    results.add(relayCost(direction), seat, (busy * 1e6) / paced.arrived);
    if (paced.sent < ENOUGH * PACE * seconds) results.noteGenerators(relayCost(direction), seat, 1, true);
  });
  drops.note(`relay, ${direction}`);
}

function processSeconds(crowds: ReadonlyMap<Seat, Crowd>, seat: Seat): number {
  return WORKS.has(seat) ? cpuSeconds(crowds.get(seat)!.relay) : 0;
}

/** A client counts as heard for 30 s. The kernel gets it with its second packet. */
async function refresh(crowd: Crowd): Promise<void> {
  for (let times = 0; times < 2; times++) await crowd.meet(0, 1);
}
