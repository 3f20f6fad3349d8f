/** Packets of a queue that is no burst wait longer than the target for a whole interval. RFC 8289 sections 4.2 and 4.3 */
const [TARGET_MS, INTERVAL_MS] = [5, 100];
/** A queue that stands again within so many intervals is marked as often as before. RFC 8289 section 5.5 */
const SOON = 16;

/** Tells which packets of a queue to mark (ECN), so that their senders become slower and the queue shorter: CoDel, RFC 8289 section 5. */
export class StandingQueue {
  /** When packets will have waited too long for a whole interval; undefined while they do not. */
  private standsAt: number | undefined;
  private isMarking = false;
  private nextMarkAt = -Infinity;
  /** Marks in this spell and the one before, and those that the spell began with. */
  private count = 0;
  private countAtBegin = 0;

  /** Whether the packet that leaves the queue at `now` after `waited`, both in ms, is to be marked. */
  isDue(now: number, waited: number): boolean {
    if (!this.stands(now, waited)) {
      this.isMarking = false;
      return false;
    }
    if (!this.isMarking) this.begin(now);
    else if (now < this.nextMarkAt) return false;
    else this.count++;
    this.nextMarkAt += INTERVAL_MS / Math.sqrt(this.count);
    return true;
  }

  private stands(now: number, waited: number): boolean {
    if (waited < TARGET_MS) this.standsAt = undefined;
    else this.standsAt ??= now + INTERVAL_MS;
    return this.standsAt !== undefined && now >= this.standsAt;
  }

  private begin(now: number): void {
    const recent = this.count - this.countAtBegin;
    this.count = recent > 1 && now - this.nextMarkAt < SOON * INTERVAL_MS ? recent : 1;
    this.countAtBegin = this.count;
    this.nextMarkAt = now;
    this.isMarking = true;
  }
}
