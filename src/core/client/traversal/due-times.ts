/** What is to happen to peers, for each the same time after it was begun. */
export class DueTimes {
  private readonly delayMs: number;
  /** By peer. All wait equally long, so insertion order is the order in which they are due. */
  private readonly dueAt = new Map<number, number>();

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  has(peer: number): boolean {
    return this.dueAt.has(peer);
  }

  /** Anew, where it has begun. */
  begin(peer: number, now: number): void {
    this.dueAt.delete(peer); // to the end of the line
    this.dueAt.set(peer, now + this.delayMs);
  }

  end(peer: number): void {
    this.dueAt.delete(peer);
  }

  clear(): void {
    this.dueAt.clear();
  }

  /** Ends those that are due, one after the other. */
  *due(now: number): Generator<number> {
    for (const [peer, at] of this.dueAt) {
      if (at > now) return;
      this.dueAt.delete(peer);
      yield peer;
    }
  }

  pollTimeout(): number {
    const [at = Infinity] = this.dueAt.values();
    return at;
  }
}
