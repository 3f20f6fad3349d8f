/** Limits that can be changed while they are in use. The parts of a machine keep a reference to their limits, and read the numbers each time. */
import type { BucketLimits } from './token-buckets.ts';

/** Groups of groups of numbers. */
type Numbers = { [name: string]: number | Numbers | undefined };

/** A copy for {@link changeLimits}. */
export function liveCopy<L extends object>(limits: L): L {
  const copy = Object.entries(limits).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'object' && value !== null ? liveCopy(value) : value,
  ]);
  return Object.fromEntries(copy) as L;
}

/** Gives a live copy other numbers, in place. */
export function changeLimits<L extends object>(live: L, next: L): void {
  const [to, from] = [live as Numbers, next as Numbers];
  // A bucket may have had a ceiling, and have none now.
  for (const name of Object.keys(to)) if (!(name in from)) delete to[name];
  for (const [name, value] of Object.entries(from)) {
    const present = to[name];
    if (typeof value === 'object' && typeof present === 'object') changeLimits(present, value);
    else to[name] = value;
  }
}

/** Limits that follow from others, also when those change. */
export function derivedLimits(
  from: BucketLimits,
  derive: (limits: BucketLimits) => BucketLimits,
): BucketLimits {
  return {
    get perSecond() {
      return derive(from).perSecond;
    },
    get burst() {
      return derive(from).burst;
    },
  };
}
