import { availableParallelism } from 'node:os';
import { readFileSync } from 'node:fs';

/** The number of values that each element of a per-CPU map has. */
export function possibleProcessors(): number {
  try {
    const ranges = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
    return Number(/(\d+)$/.exec(ranges)![1]) + 1;
  } catch {
    return availableParallelism();
  }
}
