import type { CancelTimer, Clock } from './ports.ts';
import { survive } from './system-failures.ts';

/** After a slow action comes a pause of this many times its duration, so that the action never takes much processor time. */
const REST = 10;
const QUIET_MS = 100;
const LATEST_MS = 1_000;
/** The first retry after a refusal by the system comes after this time, each further one after twice the time before. */
const [AGAIN_MS, AGAIN_MOST_MS] = [1_000, 32_000];

/**
 * Runs `act` once for a burst of changes: when no change has come for `quietMs`, but at most a second after the first, and never during the
 * pause after the previous run. If the system refused something, `act` runs again later and has to do all of its work again.
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

  /** Runs `act` at once. */
  now(): void {
    this.againMs = AGAIN_MS;
    this.wake();
  }

  /** Runs `act` again later: a part could not be done. */
  again(): void {
    if (this.cancel !== undefined) return;
    this.cancel = this.clock.setTimer(this.clock.now() + this.againMs, () => this.wake());
    this.againMs = Math.min(2 * this.againMs, AGAIN_MOST_MS);
  }

  /** Forgets pending changes. Harmless when repeated. */
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
