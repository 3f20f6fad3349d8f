import { expect, test } from 'vitest';
import { FAR_UNITS, OLDEST_UNITS, UNIT_SHIFT } from './layout.ts';
import { instantOf, keptUnitsOf, unitsOf } from './peer-times.ts';

const UNIT_NS = 2 ** UNIT_SHIFT;
const [SECOND, DAY] = [1e9, 86_400e9];
/** After this time they come round. */
const RANGE = 2 ** 32 * UNIT_NS;
/** Instants at which the kernel asks: soon after its start, in the middle, around the first two times that they come round. */
const INSTANTS = [60 * SECOND, 30 * DAY, RANGE - SECOND, RANGE, RANGE + SECOND, 2 * RANGE - 1, 2 * RANGE + 7];

test.each(INSTANTS)(
  'at %d ns an instant is the beginning of its unit, from long ago to somewhat ahead',
  (now) => {
    for (const age of [
      0,
      1,
      UNIT_NS,
      30 * SECOND,
      DAY,
      26 * DAY,
      51 * DAY,
      -SECOND,
      -FAR_UNITS * UNIT_NS * 0.99,
    ]) {
      const instant = Math.max(0, now - age);
      expect(instantOf(unitsOf(instant), now)).toBe(Math.floor(instant / UNIT_NS) * UNIT_NS);
    }
  },
);

test.each(INSTANTS)('at %d ns the oldest times are kept as 13 days old, and others as they are', (now) => {
  const oldest = Math.max(0, Math.floor(now / UNIT_NS) - OLDEST_UNITS) * UNIT_NS;
  for (const time of [-Infinity, 0, oldest - DAY, oldest])
    expect(instantOf(keptUnitsOf(time, now), now)).toBe(oldest);
  for (const time of [oldest + UNIT_NS, now - 31 * SECOND, now, now + SECOND])
    expect(keptUnitsOf(time, now)).toBe(unitsOf(time));
});
