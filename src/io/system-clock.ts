import { suspendedMs } from '../linux/suspension.ts';
import type { Clock } from './ports.ts';
import { survive } from './system-failures.ts';

/** setTimeout's limit; what is due later is looked at again then. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The system's monotonic clock. What the system refuses to a timer's function is noted, and ends nothing. */
export const systemClock: Clock = {
  now: () => performance.now(),
  suspended: suspendedMs,
  setTimer: (atMs, fn) => {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = atMs - performance.now();
      timer = setTimeout(
        () => void (performance.now() >= atMs ? survive(fn) : arm()),
        Math.min(Math.max(0, Math.ceil(left)), MAX_DELAY_MS),
      );
    };
    arm();
    return () => clearTimeout(timer);
  },
};
