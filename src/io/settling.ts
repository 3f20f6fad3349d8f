import type { CancelTimer, Clock } from './ports.ts';

/** What has taken long is not done again for so many times as long: then it never takes much of the processor's time. */
const REST = 10;
const QUIET_MS = 100;
const LATEST_MS = 1_000;

/**
 * One change makes many messages: acts once they have stopped coming for `quietMs`, but after a second at the latest; a rest
 * after the last time comes first.
 */
export class Settling {
  private readonly clock: Clock;
  private readonly quietMs: number;
  private readonly act: () => void;
  private since: number | undefined;
  private restsUntil = -Infinity;
  private cancel: CancelTimer | undefined;

  constructor(clock: Clock, act: () => void, quietMs = QUIET_MS) {
    this.clock = clock;
    this.quietMs = quietMs;
    this.act = act;
  }

  stir(): void {
    const now = this.clock.now();
    this.since ??= now;
    this.cancel?.();
    const due = Math.min(now + this.quietMs, this.since + LATEST_MS);
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
      this.restsUntil = now + Math.min(REST * (now - begun), LATEST_MS);
    }
  }
}
