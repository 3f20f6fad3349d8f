/** After work of some length the others of the process have this many times as long. */
const REST = 4;
const MAX_REST_MS = 500;

/**
 * Gives pieces of work their turn, one after the other, with rests between them: the askers cannot fill the time. An asker has one
 * piece waiting at most, and a piece whose asker leaves is forgotten at once, so the queue is no longer than the list of askers.
 */
export class Turns {
  private readonly waiting = new Map<object, (begins: boolean) => void>();
  private isBusy = false;

  get waitingCount(): number {
    return this.waiting.size;
  }

  /** Resolves to undefined where the asker leaves before its turn. Rejects with the error that `work` throws. */
  async take<T>(asker: object, work: () => T): Promise<T | undefined> {
    this.leave(asker);
    const turn = new Promise<boolean>((resolve) => this.waiting.set(asker, resolve));
    this.startNext();
    if (!(await turn)) return undefined;
    const begun = performance.now();
    try {
      return work();
    } finally {
      setTimeout(
        () => {
          this.isBusy = false;
          this.startNext();
        },
        Math.min(REST * (performance.now() - begun), MAX_REST_MS),
      ).unref();
    }
  }

  /** Forgets the piece of work that waits for `asker`, if there is one. */
  leave(asker: object): void {
    const end = this.waiting.get(asker);
    this.waiting.delete(asker);
    end?.(false);
  }

  private startNext(): void {
    if (this.isBusy) return;
    const [next] = this.waiting;
    if (next === undefined) return;
    const [asker, begin] = next;
    this.waiting.delete(asker);
    this.isBusy = true;
    begin(true);
  }
}
