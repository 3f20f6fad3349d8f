/**
 * The control of a record of stalls: a thread that only reads its clock, for as many milliseconds of its own time as its argument says, and prints the
 * longest jump. The processor was then with an interrupt or with the host of a virtual machine, and the thread's clock went on.
 */
import { threadTimeMs } from '../src/linux/thread-time.ts';
import type { Stall } from './stall.ts';

/** The code is compiled, and the objects of the start are collected. */
const WARM_MS = 500;

spin(WARM_MS);
process.stdout.write(`${JSON.stringify(spin(Number(process.argv[2])))}\n`);

function spin(milliseconds: number): Stall {
  const begun = threadTimeMs();
  let [last, used] = [performance.now(), begun];
  let [thread, all] = [0, 0];
  while (used - begun < milliseconds) {
    const [now, own] = [performance.now(), threadTimeMs()];
    if (own - used > thread) thread = own - used;
    if (now - last > all) all = now - last;
    [last, used] = [now, own];
  }
  return { thread, all, ran: used - begun };
}
