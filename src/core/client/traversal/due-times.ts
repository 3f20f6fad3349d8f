/** Work that is due for each key the same time after it was begun. */
export class DueTimes<Key> {
  private readonly delayMs: number;
  /** All wait equally long, so insertion order is the order in which they are due. */
  private readonly dueAt = new Map<Key, number>();

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  has(key: Key): boolean {
    return this.dueAt.has(key);
  }

  /** Restarts the time of a key that has begun. */
  begin(key: Key, now: number): void {
    this.dueAt.delete(key); // becomes the last
    this.dueAt.set(key, now + this.delayMs);
  }

  end(key: Key): void {
    if (this.dueAt.size > 0) this.dueAt.delete(key);
  }

  clear(): void {
    this.dueAt.clear();
  }

  /** Ends those that are due, one after the other. */
  *due(now: number): Generator<Key> {
    for (const [key, at] of this.dueAt) {
      if (at > now) return;
      this.dueAt.delete(key);
      yield key;
    }
  }

  pollTimeout(): number {
    for (const at of this.dueAt.values()) return at;
    return Infinity;
  }
}
