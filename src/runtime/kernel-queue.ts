import { survive } from '../io/system-failures.ts';
import type { CancelTimer, Clock, KernelPath } from '../io/ports.ts';

/** Meanwhile packets of the peer go by the process. */
const WAIT_MS = 5;
/** So many offers wait no longer. */
const MOST_WAITING = 64;

/**
 * Chooses when the kernel path carries out what is queued: a withdrawal at once, and all that is queued before it; offers a moment later. To put a new
 * peer into the kernel takes 1 ms of a process that does it seldom, and the answer to the packet that has just been sent to the peer would wait for it.
 * The first offer of all is not put off: it may have programs attached, and the packets of a second peer would wait for that.
 */
export class KernelQueue {
  private readonly port: KernelPath;
  private readonly clock: Clock;
  private offers = 0;
  private hasWithdrawal = false;
  private isFirst = true;
  private cancelTimer: CancelTimer | undefined;

  constructor(port: KernelPath, clock: Clock) {
    this.port = port;
    this.clock = clock;
  }

  /** An offer has been queued. */
  offered(): void {
    this.offers++;
  }

  /** A withdrawal has been queued. */
  withdrawn(): void {
    this.hasWithdrawal = true;
  }

  /** After a batch of inputs. */
  settle(): void {
    if (this.hasWithdrawal || this.offers >= MOST_WAITING) return this.flush();
    if (this.offers === 0) return;
    if (this.isFirst) return this.flush();
    const at = this.clock.now() + WAIT_MS;
    this.cancelTimer ??= this.clock.setTimer(at, () => survive(() => this.flush()));
  }

  /** What is queued is not carried out by this any more. */
  cancel(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.offers = 0;
    this.hasWithdrawal = false;
  }

  /** Now. */
  flush(): void {
    if (this.offers > 0) this.isFirst = false;
    this.cancel();
    this.port.flush();
  }
}
