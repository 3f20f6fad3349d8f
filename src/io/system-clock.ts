import type { Clock } from './ports.ts';

/** setTimeout's limit; what is due later is looked at again then. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The system's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (atMs, fn) => {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = atMs - performance.now();
      timer = setTimeout(
        () => (performance.now() >= atMs ? fn() : arm()),
        Math.min(Math.max(0, Math.ceil(left)), MAX_DELAY_MS),
      );
    };
    arm();
    return () => clearTimeout(timer);
  },
};
