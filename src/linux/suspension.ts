import { Memory, sys } from './libc.ts';

const [CLOCK_MONOTONIC, CLOCK_BOOTTIME] = [1, 7];
/** A struct timespec for each. */
const times = [new Memory(16), new Memory(16)] as const;

/**
 * Milliseconds for which this host has been suspended since boot: CLOCK_BOOTTIME advances meanwhile, CLOCK_MONOTONIC does not (man
 * clock_gettime). The two are read less than a millisecond apart.
 */
export function suspendedMs(): number {
  const [monotonic, boottime] = times;
  if (sys.clockGettime(CLOCK_MONOTONIC, monotonic.address) < 0) return 0;
  if (sys.clockGettime(CLOCK_BOOTTIME, boottime.address) < 0) return 0;
  return ms(boottime) - ms(monotonic);
}

function ms({ view }: Memory): number {
  return Number(view.getBigInt64(0, true)) * 1e3 + Number(view.getBigInt64(8, true)) / 1e6;
}
