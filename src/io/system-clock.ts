import { suspendedMs } from '../linux/suspension.ts';
import type { Clock } from './ports.ts';
import { survive } from './system-failures.ts';

/** The limit of setTimeout. A later timer is checked again then. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The system's monotonic clock. If the system refuses an operation of a timer's function, the refusal is counted and ends nothing. */
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
