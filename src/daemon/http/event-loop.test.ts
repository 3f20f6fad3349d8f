import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EventLoopDelay } from './event-loop.ts';

/** As the histogram of Node.js: nanoseconds between two measurements, which are 20 ms apart where nothing is late. */
class Histogram {
  isEnabled = false;
  max = 0;
  mean = NaN;

  enable(): boolean {
    this.isEnabled = true;
    return true;
  }

  disable(): boolean {
    this.isEnabled = false;
    return true;
  }

  reset(): void {
    [this.max, this.mean] = [0, NaN];
  }

  lateBy(ms: number): void {
    this.max = this.mean = (20 + ms) * 1e6;
  }
}

const MINUTE = 60_000;
const [NOTHING, LATE] = [
  { maxSeconds: 0, meanSeconds: 0 },
  { maxSeconds: 0.3, meanSeconds: 0.3 },
];

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

describe('the delay of the event loop', () => {
  test('is measured from the first question until 5 minutes after the last one, and anew then', () => {
    const histogram = new Histogram();
    const delay = new EventLoopDelay(histogram);
    expect(histogram.isEnabled).toBe(false);
    expect(delay.read(0)).toEqual(NOTHING);
    vi.advanceTimersByTime(5 * MINUTE - 1);
    histogram.lateBy(300);
    expect(delay.read(5 * MINUTE - 1)).toEqual(LATE);
    vi.advanceTimersByTime(5 * MINUTE - 1);
    expect(histogram.isEnabled).toBe(true);
    vi.advanceTimersByTime(1);
    expect(histogram.isEnabled).toBe(false);

    expect(delay.read(20 * MINUTE)).toEqual(NOTHING);
    expect(histogram.isEnabled).toBe(true);
    vi.advanceTimersByTime(5 * MINUTE);
    expect(histogram.isEnabled).toBe(false);
  });

  test('is remembered for a minute at least, and for two at most', () => {
    const histogram = new Histogram();
    const delay = new EventLoopDelay(histogram);
    delay.read(0);
    histogram.lateBy(300);
    for (const now of [1, MINUTE - 1, MINUTE]) expect(delay.read(now), String(now)).toEqual(LATE);
    histogram.lateBy(0);
    expect(delay.read(2 * MINUTE - 1).maxSeconds).toBe(0.3);
    delay.read(2 * MINUTE);
    expect(delay.read(2 * MINUTE + 1).maxSeconds).toBe(0);
  });
});
