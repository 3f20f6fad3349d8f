import type { CancelTimer, Clock } from '../io/ports.ts';

/** The interval of the checks, and the jump that counts. Reading two clocks costs a microsecond. */
const [LOOK_MS, SUSPENDED_MS] = [1_000, 1_000];

/**
 * Finds out that the host was suspended: no link need change then, and no timer that runs by the monotonic clock is late, though NATs and
 * gateways have counted the time.
 */
export class SuspendWatch {
  private readonly clock: Clock;
  private readonly onResumed: (suspendedMs: number) => void;
  private before = 0;
  private cancel: CancelTimer | undefined;

  constructor(clock: Clock, onResumed: (suspendedMs: number) => void) {
    this.clock = clock;
    this.onResumed = onResumed;
  }

  start(): void {
    if (this.clock.suspended === undefined) return;
    this.before = this.clock.suspended();
    this.lookLater();
  }

  close(): void {
    this.cancel?.();
  }

  private lookLater(): void {
    this.cancel = this.clock.setTimer(this.clock.now() + LOOK_MS, () => {
      this.lookLater();
      const now = this.clock.suspended!();
      const suspendedMs = now - this.before;
      this.before = now;
      if (suspendedMs >= SUSPENDED_MS) this.onResumed(suspendedMs);
    });
  }
}
