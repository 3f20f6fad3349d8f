/**
 * Processor time that a task may take: a share of all time, and the unused part of its share at once, up to a limit. A task that has had no
 * work for a while does a burst without rest; one that always has work gets its share.
 */
export class ProcessorBudget {
  private readonly share: number;
  private readonly mostMs: number;
  private leftMs: number;
  private at = -Infinity;

  /** `share`: of one processor, above 0. `mostMs`: milliseconds that can be saved. */
  constructor(share: number, mostMs: number) {
    this.share = share;
    this.mostMs = mostMs;
    this.leftMs = mostMs;
  }

  /** The task has taken so many milliseconds of the processor up to `now` (ms); returns for how many it has to rest. */
  spend(ms: number, now: number): number {
    const saved = Math.max(0, now - this.at) * this.share;
    this.leftMs = Math.min(this.mostMs, this.leftMs + saved) - ms;
    this.at = now;
    return Math.max(0, -this.leftMs / this.share);
  }
}
