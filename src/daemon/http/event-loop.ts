import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';

/** How often the delay is measured, and for how long a maximum is remembered at least. */
const RESOLUTION_MS = 20;
const WINDOW_MS = 60_000;
/** After this time without a question it is measured no more. */
const UNASKED_MS = 300_000;

type Histogram = Pick<IntervalHistogram, 'enable' | 'disable' | 'reset' | 'max' | 'mean'>;

export interface Delay {
  readonly maxSeconds: number;
  readonly meanSeconds: number;
}

/** How late the event loop comes to its work. It is measured from the first question on, as long as questions come: an idle process is not woken for it. */
export class EventLoopDelay {
  private readonly histogram: Histogram;
  private beganAt: number | undefined;
  private before: number = 0;
  private readonly end: NodeJS.Timeout;

  constructor(histogram: Histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })) {
    this.histogram = histogram;
    this.end = setTimeout(() => this.stop(), UNASKED_MS).unref();
  }

  /** Within the last minute or more, whatever the number of askers. `now`: milliseconds. */
  read(now: number): Delay {
    const { histogram } = this;
    this.end.refresh();
    if (this.beganAt === undefined) {
      histogram.enable();
      this.beganAt = now;
    }
    const [max, mean] = [late(histogram.max), late(histogram.mean)];
    const result = { maxSeconds: Math.max(max, this.before), meanSeconds: mean };
    if (now - this.beganAt >= WINDOW_MS) {
      this.before = max;
      this.beganAt = now;
      histogram.reset();
    }
    return result;
  }

  private stop(): void {
    this.histogram.disable();
    this.histogram.reset();
    this.beganAt = undefined;
    this.before = 0;
  }
}

/** The histogram has nanoseconds between two measurements; NaN and huge numbers before the first one. */
function late(nanoseconds: number): number {
  const milliseconds = nanoseconds / 1e6 - RESOLUTION_MS;
  return milliseconds > 0 && milliseconds < 1e9 ? milliseconds / 1_000 : 0;
}
