/**
 * The longest stall of a relay's event loop while it gets to know a million clients, is asked for its peers, and sweeps. Beside it the
 * control: a thread that only reads its clock, while a null relay forwards as many packets. Its longest jump is the machine's, not a program's.
 */
import { fileURLToPath } from 'node:url';
import { Answers } from './answers.ts';
import { Crowd } from './crowd.ts';
import { GROWTH_STALL, GROWTH_WAIT } from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import type { Stall } from './stall.ts';
import { listPeers } from './variants.ts';
import { underLoad, whole } from './whole.ts';

const RECORDER = fileURLToPath(new URL('./stall-recorder.js', import.meta.url));
const SPINNER = fileURLToPath(new URL('./spinner.js', import.meta.url));
const [MOST, QUICK] = [1_000_000, 50_000];
const ALTERNATIONS = 3;
/** A relay looks at 500 peers each 50 ms to find those that it can forget, during the growth, too. */
const SWEEP_MS = 5_000;
/** Packets per second of the control: the sender needs about as much of a processor as for new clients. */
const CONTROL_PACE = 150_000;
/** Longer than any control. */
const CONTROL_SECONDS = 100;

export const growth: Row = async (order) => {
  const { results, watch, say, quick } = order;
  const alternations = quick ? Math.min(order.alternations, ALTERNATIONS) : ALTERNATIONS;
  let ran = 0;
  await alternate({ alternations, say }, ['user', 'kernel', 'null'] as const, async (seat) => {
    const { value: stall } = await watch.during(() => (seat === 'null' ? control(ran) : grow(seat, order)));
    // The control's thread runs as long as the one of the relay before it did.
    ran = stall.ran;
    results.add(GROWTH_STALL, seat, stall.thread);
    results.add(GROWTH_WAIT, seat, stall.all);
  });
};

async function grow(seat: 'user' | 'kernel', { quick, say }: Order): Promise<Stall> {
  await using crowd = await Crowd.open(seat, ['--import', RECORDER]);
  const stalls = new Answers(crowd.relay, 'SIGUSR2', 'stalled');
  // Warm, and without the stalls of the start.
  await crowd.meet(0, 1_000);
  await stalls.ask(10_000);
  const most = quick ? QUICK : MOST;
  const { arrived } = whole(await crowd.meet(1_000, most), most - 1_000);
  const [listed] = await Promise.all([
    listPeers(crowd.net.relay),
    new Promise((resolve) => setTimeout(resolve, quick ? 0 : SWEEP_MS)),
  ]);
  say(`${arrived} clients were reached, ${listed} peers listed`);
  return JSON.parse(await stalls.ask(10_000)) as Stall;
}

async function control(milliseconds: number): Promise<Stall> {
  await using crowd = await Crowd.open('null');
  // Its sender ends with the crowd.
  const load = crowd.load('down', { seconds: CONTROL_SECONDS, clients: QUICK, perSecond: CONTROL_PACE });
  const spinner = crowd.net.relay.spawn(process.execPath, [SPINNER, String(milliseconds)]);
  if ((await underLoad(load, spinner.exited)) !== 0) throw new Error(spinner.output);
  return JSON.parse(spinner.stdout) as Stall;
}
