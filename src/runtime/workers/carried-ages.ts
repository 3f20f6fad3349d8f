import type { Carried } from '../../core/offload/carried.ts';

/** The same report with ages instead of times, and the reverse: each thread has a clock of its own. Infinity stands for never, as -Infinity does. */
export function inAges(report: Carried, now: number): Carried {
  const turned = (times: Float64Array): Float64Array => times.map((time) => now - time);
  return { ...report, receivedAt: turned(report.receivedAt), sentAt: turned(report.sentAt) };
}
