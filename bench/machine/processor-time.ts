/**
 * Busy time of the whole machine. The kernel counts idle time to the microsecond (CONFIG_NO_HZ); the busy times of /proc/stat are samples,
 * 250 a second, so busy time is the time that was not idle.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export interface Moment {
  /** Seconds, of a clock that does not jump. */
  readonly at: number;
  /** Seconds of all processors without work. */
  readonly idle: number;
  /** Seconds of all processors in which the host of this virtual machine ran something else. */
  readonly stolen: number;
}

export const PROCESSORS = cpus().length;

export function moment(): Moment {
  return { at: performance.now() / 1_000, ...idleTimes(readFileSync('/proc/stat', 'utf8')) };
}

/** From the first line of /proc/stat, in ticks of 1/100 s. */
export function idleTimes(stat: string): Omit<Moment, 'at'> {
  const ticks = stat.split('\n')[0]!.trim().split(/\s+/).slice(1).map(Number);
  const [, , , idle, waiting, , , stolen] = ticks;
  return { idle: (idle! + waiting!) / 100, stolen: stolen! / 100 };
}

/** Busy seconds of all processors together. */
export function busyBetween(from: Moment, to: Moment, processors = PROCESSORS): number {
  return (to.at - from.at) * processors - (to.idle - from.idle) - (to.stolen - from.stolen);
}
