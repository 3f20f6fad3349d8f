/**
 * How many new clients a relay can reach per second. A native host sends one packet to each of many clients, as many at once as the queues
 * hold. The packets that reach their client are counted; each takes a bubble to the client's server, the answer, and the delivery of the
 * queued packet. The limits of this program for one native host and for one server are raised in {@link Crowd}; miredo has none.
 */
import { Crowd } from './crowd.ts';
import { findGenerators } from './generators.ts';
import { NewClients } from './new-clients.ts';
import { NEW_PEERS_COST, NEW_PEERS_LIMITED, NEW_PEERS_PROCESS, NEW_PEERS_RATE } from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { TEREDO_VARIANTS } from './seats.ts';
import type { TeredoVariant } from './seats.ts';
import { cpuSeconds, startRelay } from './variants.ts';

/** The tables of miredo and of this program hold a little more than a million. */
const MOST = 1_000_000;
const MOST_GENERATORS = 3;
const LIMITED_SECONDS = 10;

export const newPeers: Row = async (order) => {
  const { results, watch, quick } = order;
  const counts = new Map<TeredoVariant, number>();
  for (const variant of TEREDO_VARIANTS) {
    await using clients = new NewClients(() => warmed(variant, order), MOST / 2, MOST);
    const { count, isBound } = await findGenerators(order, MOST_GENERATORS, async (generators) => {
      const { value } = await watch.during(
        () => clients.meet(1, generators),
        () => clients.prepare(),
      );
      return value.arrived / value.seconds;
    });
    counts.set(variant, count);
    results.noteGenerators(NEW_PEERS_RATE, variant, count, isBound);
  }
  await alternate(order, TEREDO_VARIANTS, async (variant) => {
    await using clients = new NewClients(() => warmed(variant, order), MOST / 4, MOST);
    let cpu = 0;
    const { value, busy } = await watch.during(
      async () => {
        const { relay } = clients.crowd;
        cpu = cpuSeconds(relay);
        const crossing = await clients.meet(order.seconds, counts.get(variant)!);
        cpu = cpuSeconds(relay) - cpu;
        return crossing;
      },
      () => clients.prepare(),
    );
    results.add(NEW_PEERS_RATE, variant, value.arrived / value.seconds);
    results.add(NEW_PEERS_COST, variant, (busy * 1e6) / value.arrived);
    results.add(NEW_PEERS_PROCESS, variant, (cpu * 1e6) / value.arrived);
  });
  if (!quick) await measureWithDefaultLimits(order);
};

/** A relay that has served some clients before, so that its program is compiled. */
async function warmed(variant: TeredoVariant, { quick }: Order): Promise<Crowd> {
  const crowd = await Crowd.open(variant);
  await crowd.meet(0, quick ? 2_000 : 20_000);
  return crowd;
}

/** The same with the default limits: all packets are of one native host, and all clients have one server. */
async function measureWithDefaultLimits({ results }: Order): Promise<void> {
  await using crowd = await Crowd.openWith((net) => startRelay(net, 'kernel'));
  const { arrived, seconds } = await crowd.meet(0, MOST, LIMITED_SECONDS);
  results.add(NEW_PEERS_LIMITED, 'kernel', arrived / seconds);
}
