import type { CancelTimer, Clock } from './ports.ts';

/** What has taken long is not done again for so many times as long: then it never takes much of the processor's time. */
const REST = 10;

/**
 * One change makes many messages: acts once they have stopped coming for `quietMs`, but after `latestMs` at the latest; a rest
 * after the last time comes first.
 */
export class Settling {
  private readonly clock: Clock;
  private readonly quietMs: number;
  private readonly latestMs: number;
  private readonly act: () => void;
  private since: number | undefined;
  private restsUntil = -Infinity;
  private cancel: CancelTimer | undefined;

  constructor(clock: Clock, quietMs: number, latestMs: number, act: () => void) {
    this.clock = clock;
    this.quietMs = quietMs;
    this.latestMs = latestMs;
    this.act = act;
  }

  stir(): void {
    const now = this.clock.now();
    this.since ??= now;
    this.cancel?.();
    const due = Math.min(now + this.quietMs, this.since + this.latestMs);
    this.cancel = this.clock.setTimer(Math.max(due, this.restsUntil), () => this.wake());
  }

  /** What was stirred is forgotten. Harmless when repeated. */
  close(): void {
    this.cancel?.();
    this.cancel = this.since = undefined;
  }

  private wake(): void {
    this.close();
    const begun = this.clock.now();
    try {
      this.act();
    } finally {
      const now = this.clock.now();
      this.restsUntil = now + Math.min(REST * (now - begun), this.latestMs);
    }
  }
}
