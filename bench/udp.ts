/** How many datagrams arrive per second, and what each costs. */
import { findGenerators } from './generators.ts';
import { udpCost, udpRate } from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { VARIANTS } from './seats.ts';
import { Worlds } from './world.ts';

const MOST_GENERATORS = 4;
const SIZES = [100, 1_200];
const QUICK_SIZES = [100];

export const udp: Row = async (order) => {
  await using worlds = await Worlds.open('nic', order);
  for (const size of order.quick ? QUICK_SIZES : SIZES) await measure(order, worlds, size);
};

async function measure(order: Order, worlds: Worlds, size: number): Promise<void> {
  const { results, seconds } = order;
  const drops = worlds.drops(order);
  const counts = new Map<string, number>();
  for (const variant of VARIANTS) {
    const { iperf } = worlds.of(variant);
    const { count, isBound } = await findGenerators(order, MOST_GENERATORS, async (generators) => {
      await iperf.prepare(generators);
      return (await drops.during(variant, () => iperf.udp(size, generators, 1))).value.perSecond;
    });
    counts.set(variant, count);
    results.noteGenerators(udpRate(size), variant, count, isBound);
  }
  await alternate(order, VARIANTS, async (variant) => {
    const { iperf } = worlds.of(variant);
    const { value, busy } = await drops.during(variant, () => iperf.udp(size, counts.get(variant)!, seconds));
    results.add(udpRate(size), variant, value.perSecond);
    results.add(udpCost(size), variant, (busy * 1e6) / value.arrived);
  });
  drops.note(`UDP up, ${size} octets`);
}
