import type { Clock } from '../ports.ts';

/** How long peers are taken out at a time. */
const PIECE_MS = 1;

/** Takes all peers out of the kernel's table, some in each turn of the event loop: packets wait for no more than a part of that. */
export class Forgetting {
  private readonly clock: Clock;
  private readonly guarded: (action: () => void) => void;
  private left: Generator<void> | undefined;
  private end: (() => void) | undefined;
  private cancelNext: (() => void) | undefined;

  /** `guarded` handles the errors of later turns. */
  constructor(clock: Clock, guarded: (action: () => void) => void) {
    this.clock = clock;
    this.guarded = guarded;
  }

  get isUnderWay(): boolean {
    return this.left !== undefined;
  }

  /** Takes the first ones out in this turn: few are all of them. `end` is called after the last ones. Throws the errors of both. */
  begin(steps: Generator<void>, end: () => void): void {
    this.cancel();
    [this.left, this.end] = [steps, end];
    this.takeSome(PIECE_MS);
  }

  /** Takes the others out in this turn. */
  finish(): void {
    if (this.isUnderWay) this.takeSome(Infinity);
  }

  /** The others stay, and the end does not come. */
  cancel(): void {
    this.cancelNext?.();
    this.cancelNext = this.left = this.end = undefined;
  }

  private takeSome(mostMs: number): void {
    this.cancelNext?.();
    const { left, end } = this;
    const isDone = this.isDoneWithin(mostMs);
    if (this.left !== left) return;
    if (isDone) {
      this.cancel();
      end!();
    } else {
      const next = (): void => this.guarded(() => this.takeSome(PIECE_MS));
      this.cancelNext = this.clock.setTimer(this.clock.now(), next);
    }
  }

  /** An error ends it. */
  private isDoneWithin(mostMs: number): boolean {
    const { left } = this;
    const begun = performance.now();
    try {
      // The reports of a step reach callers, which may cancel the rest.
      while (this.left === left && left?.next().done === false)
        if (performance.now() - begun >= mostMs) return false;
      return true;
    } catch (error) {
      this.cancel();
      throw error;
    }
  }
}
