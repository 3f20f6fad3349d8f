import type { Clock } from './ports.ts';

/** A clock that stands still between calls of {@link advance}. */
export class MemoryClock implements Clock {
  private time = 0;
  private suspendedFor = 0;
  private readonly timers = new Set<{ readonly at: number; readonly fn: () => void }>();

  now(): number {
    return this.time;
  }

  setTimer(atMs: number, fn: () => void): () => void {
    const timer = { at: atMs, fn };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  }

  suspended(): number {
    return this.suspendedFor;
  }

  /** The host is suspended: this clock does not advance. */
  suspend(milliseconds: number): void {
    this.suspendedFor += milliseconds;
  }

  /** Lets time pass. Timers that fall due are called in order, each at its own time. */
  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.fn();
    }
    this.time = end;
  }
}
