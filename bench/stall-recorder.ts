/**
 * Loaded into a relay before its program: records the longest turn of its event loop, and prints it at SIGUSR2. First in time of the
 * relay's own thread: a processor that was busy elsewhere is not the relay's fault, nor is the work of its other threads. Then in all
 * time, in which the thread may have waited for a processor, and for the threads that collect garbage beside it.
 */
import { threadTimeMs } from '../src/linux/thread-time.ts';
import { NO_STALL } from './stall.ts';

const EVERY_MS = 1;

let [last, used] = [performance.now(), threadTimeMs()];
let worst = NO_STALL;
setInterval(() => {
  const [now, own] = [performance.now(), threadTimeMs()];
  worst = {
    thread: Math.max(worst.thread, own - used),
    all: Math.max(worst.all, now - last - EVERY_MS),
    ran: worst.ran + own - used,
  };
  [last, used] = [now, own];
}, EVERY_MS).unref();

process.on('SIGUSR2', () => {
  process.stderr.write(`stalled ${JSON.stringify(worst)}\n`);
  worst = NO_STALL;
});
