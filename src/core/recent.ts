/**
 * Values by key, limited in time and number. There are two maps; the older one is dropped when the younger one is too old or too large.
 * A value is kept for at least the lifetime, unless there are too many, and for at most twice the lifetime. Each call takes constant time.
 */
export class Recent<V> {
  private readonly lifetimeMs: number;
  private readonly most: number;
  private young = new Map<number, V>();
  private old = new Map<number, V>();
  private begunAt = -Infinity;

  /** `most`: entries in both maps together. */
  constructor(lifetimeMs: number, most: number) {
    this.lifetimeMs = lifetimeMs;
    this.most = most;
  }

  /** How many entries there are; a key that is in both maps counts twice. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  /** The value last set. It may be older than the lifetime. */
  get(key: number): V | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  set(key: number, value: V, now: number): void {
    if (now - this.begunAt >= this.lifetimeMs || this.young.size >= this.most / 2) {
      this.old = this.young;
      this.young = new Map();
      this.begunAt = now;
    }
    this.young.set(key, value);
  }
}
