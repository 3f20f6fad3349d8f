/**
 * Values by key that are kept for a time, and not more than so many: two maps, of which the older one goes when the younger one has got too old or too
 * large. A key is kept for the time at least, where there are not too many, and for twice as long at the most. No call takes long.
 */
export class Recent<V> {
  private readonly lifetimeMs: number;
  private readonly most: number;
  private young = new Map<number, V>();
  private old = new Map<number, V>();
  private begunAt = -Infinity;

  /** `most`: entries altogether. */
  constructor(lifetimeMs: number, most: number) {
    this.lifetimeMs = lifetimeMs;
    this.most = most;
  }

  /** How many entries there are; a key that is in both maps counts twice. */
  get size(): number {
    return this.young.size + this.old.size;
  }

  /** The value last set; it may be older than the time for which it is kept. */
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
