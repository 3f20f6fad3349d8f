/**
 * Round trips at idle, of programs that have just been started and of warm ones, and while TCP fills the way. Every alternation has programs
 * of its own.
 */
import { roundTrip } from './result/names.ts';
import type { RoundTripKind } from './result/names.ts';
import { quantile } from './result/statistics.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { VARIANTS } from './seats.ts';
import type { Variant } from './seats.ts';
import { World } from './world.ts';

const COUNTS = { cold: 40, warm: 75, loaded: 150 };
/** Between two pings, s. For 10 ms or less `ping` does not sleep, and takes a processor from the program. */
const INTERVAL = 0.02;
/** After so many packets V8 has compiled what is used often. */
const WARMING = 5_000;

export const rtt: Row = async (order) => {
  await alternate(order, VARIANTS, async (variant) => {
    await using own = new OwnWorld(variant);
    const note = async (
      kind: RoundTripKind,
      measure: () => Promise<number[]>,
      begin?: () => Promise<void>,
    ): Promise<void> => {
      const { value } = await order.watch.during(measure, begin);
      order.results.add(roundTrip(kind, 'p50'), variant, quantile(value, 0.5));
      order.results.add(roundTrip(kind, 'p99'), variant, quantile(value, 0.99));
    };
    // A program is cold once: a measurement that is repeated has another world.
    await note(
      'cold',
      () => pings(own.world!, COUNTS.cold),
      () => own.renew(),
    );
    const world = own.world!;
    await warm(world, order);
    await note('warm', () => pings(world, COUNTS.warm));
    for (const direction of ['up', 'down'] as const)
      await note(`loaded ${direction}`, () => underLoad(world, direction));
  });
};

/** A world with programs that have just been started. */
class OwnWorld implements AsyncDisposable {
  world: World | undefined;
  private readonly variant: Variant;

  constructor(variant: Variant) {
    this.variant = variant;
  }

  async renew(): Promise<void> {
    await this[Symbol.asyncDispose]();
    this.world = await World.open(this.variant, 'nic');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { world } = this;
    this.world = undefined;
    await world?.[Symbol.asyncDispose]();
  }
}

/** Round trips in ms. */
async function pings(world: World, count: number): Promise<number[]> {
  const args = ['-n', '-i', String(INTERVAL), '-c', String(count), '-W', '1', world.target];
  const running = world.client.spawn('ping', args);
  await running.exited;
  const times = [...running.output.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms));
  if (times.length < count / 2) throw new Error(`${times.length} of ${count} pings were answered`);
  return times;
}

async function warm(world: World, { quick }: Order): Promise<void> {
  const count = String(quick ? WARMING / 5 : WARMING);
  await world.client.spawn('ping', ['-n', '-q', '-f', '-c', count, '-w', '10', world.target]).exited;
}

async function underLoad(world: World, direction: 'up' | 'down'): Promise<number[]> {
  const listening = world.native.spawn('iperf3', ['-s', '-1', '-p', '5301', '--forceflush']);
  await listening.waitFor(/Server listening/);
  const args = ['-c', world.target, '-p', '5301', '-t', '60', '-i', '0.5', '--forceflush'];
  const load = world.client.spawn('iperf3', [...args, ...(direction === 'down' ? ['--reverse'] : [])]);
  try {
    await load.waitFor(/sec/); // half a second of it is over
    return await pings(world, COUNTS.loaded);
  } finally {
    await load.stop();
    await listening.stop();
  }
}
