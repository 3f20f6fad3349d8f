/** The rate of TCP and its cost, through each variant in turn. */
import { findGenerators } from './generators.ts';
import type { Direction } from './iperf.ts';
import { tcpCost, tcpRate } from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { VARIANTS } from './seats.ts';
import type { LinkKind } from './seats.ts';
import { SEGMENT, Worlds } from './world.ts';

const MOST_GENERATORS = 4;

export const tcp: Row = async (order) => {
  for (const links of order.links) {
    await using worlds = await Worlds.open(links, order);
    for (const direction of ['up', 'down'] as const) await measure(order, worlds, links, direction);
  }
};

async function measure(order: Order, worlds: Worlds, links: LinkKind, direction: Direction): Promise<void> {
  const { results, seconds, say } = order;
  const drops = worlds.drops(order);
  const [rate, cost] = [tcpRate(links, direction), tcpCost(links, direction)];
  const counts = new Map<string, number>();
  for (const variant of VARIANTS) {
    const { iperf } = worlds.of(variant);
    const found = await findGenerators(order, MOST_GENERATORS, async (count) => {
      await iperf.prepare(count);
      return (await drops.during(variant, () => iperf.tcp(direction, count, 1))).value.megabits;
    });
    counts.set(variant, found.count);
    results.noteGenerators(rate, variant, found.count, found.isBound);
  }
  say(`${rate}, generators: ${JSON.stringify(Object.fromEntries(counts))}`);
  await alternate(order, VARIANTS, async (variant) => {
    const { iperf } = worlds.of(variant);
    const { value, busy } = await drops.during(variant, () =>
      iperf.tcp(direction, counts.get(variant)!, seconds),
    );
    results.add(rate, variant, value.megabits);
    results.add(cost, variant, (busy * 1e6) / (value.octets / SEGMENT));
  });
  drops.note(`${links}: TCP ${direction}`);
}
