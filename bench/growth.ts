/** The longest stall of a relay's event loop while it gets to know a million clients, is asked for all of them, and sweeps. */
import { fileURLToPath } from 'node:url';
import { Answers } from './answers.ts';
import { Crowd } from './crowd.ts';
import { GROWTH_STALL, GROWTH_WAIT } from './result/names.ts';
import type { Row } from './row.ts';
import { listPeers } from './variants.ts';

const RECORDER = fileURLToPath(new URL('./stall-recorder.js', import.meta.url));
const [MOST, QUICK] = [1_000_000, 50_000];
/** A relay sweeps each 10 s. */
const SWEEP_MS = 11_000;

export const growth: Row = async ({ results, watch, quick, say }) => {
  for (const variant of ['user', 'kernel'] as const) {
    say(variant);
    await using crowd = await Crowd.open(variant, ['--import', RECORDER]);
    const stalls = new Answers(crowd.relay, 'SIGUSR2', 'stalled');
    // Warm, and without the stalls of the start.
    await crowd.meet(0, 1_000);
    await stalls.ask(10_000);
    const { value } = await watch.during(async () => {
      const { arrived } = await crowd.meet(1_000, quick ? QUICK : MOST);
      const listed = await listPeers(crowd.net.relay);
      await new Promise((resolve) => setTimeout(resolve, quick ? 0 : SWEEP_MS));
      return { arrived, listed };
    });
    say(`${value.arrived} clients were reached, ${value.listed} peers listed`);
    const worst = JSON.parse(await stalls.ask(10_000)) as { thread: number; all: number };
    results.add(GROWTH_STALL, variant, worst.thread);
    results.add(GROWTH_WAIT, variant, worst.all);
  }
};
