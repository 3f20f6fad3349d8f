/** Times in the kernel's table of peers, which come round. The arguments are ns of CLOCK_MONOTONIC. */
import { FAR_UNITS, LONG_UNIT_SHIFT, OLDEST_UNITS, UNIT_SHIFT } from './layout.ts';

const UNIT_NS = 2 ** UNIT_SHIFT;
/** The range of times in 32 and in 16 bits. */
const RANGE_UNITS = 2 ** 32;
const LONG_RANGE_NS = 2 ** (16 + LONG_UNIT_SHIFT);
/** Differences of clocks and of the units of times. */
const SLACK_NS = 1e9;

function wholeUnits(ns: number): number {
  return Math.floor(Math.max(0, ns) / UNIT_NS);
}

/** In 32 bits. */
export function unitsOf(ns: number): number {
  return wholeUnits(ns) >>> 0;
}

/** The same for a time that may be as old as the kernel: very old ones seem younger. */
export function keptUnitsOf(ns: number, now: number): number {
  return Math.max(wholeUnits(ns), wholeUnits(now) - OLDEST_UNITS) >>> 0;
}

/** The beginning of a unit. It may be ahead of `now`, but not far. */
export function instantOf(units: number, now: number): number {
  const age = (wholeUnits(now) - units) >>> 0;
  const isAhead = age >= RANGE_UNITS - FAR_UNITS;
  return (wholeUnits(now) - (isAhead ? age - RANGE_UNITS : age)) * UNIT_NS;
}

/** In 16 bits. */
export function longUnitsOf(ns: number): number {
  return Math.floor(Math.max(0, ns) / 2 ** LONG_UNIT_SHIFT) & 0xffff;
}

/** Between two times in 16 bits. */
export function shortAge(units: number, since: number): number {
  return ((units - since) << 16) >> 16;
}

/**
 * The time since an instant of which 16 bits are known, ns. These come round after 73 minutes; but the entry's last packet, `atLeast` ns ago, is
 * at most seconds younger.
 */
export function longAgeOf(now: number, since: number, atLeast: number): number {
  const age = shortAge(longUnitsOf(now), since) * 2 ** LONG_UNIT_SHIFT;
  return age + Math.max(0, Math.ceil((atLeast - SLACK_NS - age) / LONG_RANGE_NS)) * LONG_RANGE_NS;
}
