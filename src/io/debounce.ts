import type { CancelTimer, Clock } from './ports.ts';
import { survive } from './system-failures.ts';

/** What has taken long is not done again for so many times as long: then it never takes much of the processor's time. */
const REST = 10;
const QUIET_MS = 100;
const LATEST_MS = 1_000;
/** What the system has refused is done again after this, then each time twice as long. */
const [AGAIN_MS, AGAIN_MOST_MS] = [1_000, 32_000];

/**
 * One change makes many messages: acts once they have stopped coming for `quietMs`, but after a second at the latest; a rest
 * after the last time comes first. Acts again where the system has refused something: `act` has to do all of it anew then.
 */
export class Debounce {
  private readonly clock: Clock;
  private readonly quietMs: number;
  private readonly act: () => void;
  private since: number | undefined;
  private restsUntil = -Infinity;
  private againMs = AGAIN_MS;
  private cancel: CancelTimer | undefined;

  constructor(clock: Clock, act: () => void, quietMs = QUIET_MS) {
    this.clock = clock;
    this.quietMs = quietMs;
    this.act = act;
  }

  trigger(): void {
    const now = this.clock.now();
    this.since ??= now;
    this.againMs = AGAIN_MS;
    this.cancel?.();
    const due = Math.min(now + this.quietMs, this.since + LATEST_MS);
    this.cancel = this.clock.setTimer(Math.max(due, this.restsUntil), () => this.wake());
  }

  /** Acts at once. */
  now(): void {
    this.againMs = AGAIN_MS;
    this.wake();
  }

  /** Acts again later: not all could be done. */
  again(): void {
    if (this.cancel !== undefined) return;
    this.cancel = this.clock.setTimer(this.clock.now() + this.againMs, () => this.wake());
    this.againMs = Math.min(2 * this.againMs, AGAIN_MOST_MS);
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
      if (!survive(this.act)) this.again();
    } finally {
      const now = this.clock.now();
      this.restsUntil = now + Math.min(REST * (now - begun), LATEST_MS);
    }
  }
}
