import { InterfaceChanges } from '../linux/interface-changes.ts';
import { KernelTun } from './kernel-tun.ts';
import { QUEUE_LENGTH } from './kernel-tunnel-host.ts';
import type { CancelTimer, Clock } from './ports.ts';

/** Packets that the interface holds while no process reads. One can have 64 KB. */
const LEFT_LENGTH = 4_096;
/** After this a successor has read all that waited. */
const READ_MS = 1_000;

/** A TUN interface that outlives the process. Until a successor reads, its queue holds more packets than otherwise. */
export class KeptTun extends KernelTun {
  private readonly changes = new InterfaceChanges();
  private cancelTimer: CancelTimer | undefined;
  private isLeft = false;

  /** `kept`: as for {@link KernelTun}. */
  constructor(name: string, clock: Clock, kept?: number) {
    super(name, kept);
    if (kept === undefined) return;
    // Not yet: a shorter queue would lose packets that wait.
    this.cancelTimer = clock.setTimer(clock.now() + READ_MS, () =>
      this.changes.setQueueLength(name, QUEUE_LENGTH),
    );
  }

  override close(): void {
    this.cancelTimer?.();
    if (!this.isLeft) this.leave();
    super.close();
  }

  private leave(): void {
    this.isLeft = true;
    try {
      this.changes.setQueueLength(this.name, LEFT_LENGTH);
    } catch {
      // The queue stays as it is: the interface may have gone.
    }
  }
}
