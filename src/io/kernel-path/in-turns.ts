import type { Clock } from '../ports.ts';

/** How long the work is done at a time. */
const PIECE_MS = 1;

/** Does the work; undefined: all of it is done in this turn. Rejects, or throws, with the error of a step. */
export function inTurns(clock: Clock, steps: Generator<void>): Promise<void> | undefined {
  let settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  const done = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
  const turns = new InTurns(clock, (action) => {
    try {
      action();
    } catch (error) {
      settle.reject(error);
    }
  });
  turns.begin(steps, () => settle.resolve());
  return turns.isUnderWay ? done : undefined;
}

/** Long work with many peers, some of it in each turn of the event loop: packets wait for no more than a part of that. */
export class InTurns {
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

  /** Does the first part in this turn: little is all of it. `end` is called after the last part. Throws the errors of both. */
  begin(steps: Generator<void>, end: () => void): void {
    this.cancel();
    [this.left, this.end] = [steps, end];
    this.doSome(PIECE_MS);
  }

  /** Does the rest in this turn. */
  finish(): void {
    if (this.isUnderWay) this.doSome(Infinity);
  }

  /** The rest is not done, and the end does not come. */
  cancel(): void {
    this.cancelNext?.();
    this.cancelNext = this.left = this.end = undefined;
  }

  private doSome(mostMs: number): void {
    this.cancelNext?.();
    const { left, end } = this;
    const isDone = this.isDoneWithin(mostMs);
    if (this.left !== left) return;
    if (isDone) {
      this.cancel();
      end!();
    } else {
      const next = (): void => this.guarded(() => this.doSome(PIECE_MS));
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
