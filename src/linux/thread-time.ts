import { Memory, sys } from './libc.ts';

const CLOCK_THREAD_CPUTIME_ID = 3;
/** struct timespec. */
const time = new Memory(16);

/** Milliseconds that this thread has run: waiting for a busy machine is not counted. A sixth of the cost of process.cpuUsage. */
export function threadTimeMs(): number {
  if (sys.clockGettime(CLOCK_THREAD_CPUTIME_ID, time.address) < 0) return 0;
  return time.view.getUint32(0, true) * 1e3 + time.view.getUint32(8, true) / 1e6;
}
