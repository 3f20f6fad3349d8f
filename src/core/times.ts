/** Slots in a page: a longer column would have to be copied at once when its table grows. */
const PAGE = 8_192;
/** Units in a millisecond: 32 bits of them are 6 days. */
const PER_MS = 8;
/** In place of a time: it never happened. */
const NEVER = 0;
const HALF = 2 ** 31;

/**
 * A time (ms) for each slot of a table, in 32 bits. All are within 6 days of the latest one, or of now: an owner that keeps times for longer
 * calls {@link limitAge} for each slot, at least once in 3 days.
 */
export class Times {
  private readonly pages: (Uint32Array | undefined)[] = [];
  /** The latest of all, or the latest now of {@link limitAge}, in units. */
  private latest = -Infinity;

  get byteLength(): number {
    return this.pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0);
  }

  /** The time, rounded down to an eighth of a millisecond; -Infinity: it never happened. */
  at(slot: number): number {
    const kept = this.pages[Math.floor(slot / PAGE)]?.[slot % PAGE] ?? NEVER;
    return kept === NEVER ? -Infinity : (this.latest - this.ageOf(kept)) / PER_MS;
  }

  set(slot: number, time: number): void {
    if (time === -Infinity) return this.clear(slot);
    const units = Math.floor(time * PER_MS);
    this.advance(units);
    const page = (this.pages[Math.floor(slot / PAGE)] ??= new Uint32Array(PAGE));
    page[slot % PAGE] = keep(units);
  }

  /** It never happened. */
  clear(slot: number): void {
    const page = this.pages[Math.floor(slot / PAGE)];
    if (page !== undefined) page[slot % PAGE] = NEVER;
  }

  /** Takes the times of another column. */
  copy(other: Times): void {
    this.latest = other.latest;
    this.pages.length = 0;
    for (const page of other.pages) this.pages.push(page?.slice());
  }

  /** A time more than 3 days ago counts as one of 3 days ago, also if no time has been set since. */
  limitAge(slot: number, now: number): void {
    this.advance(Math.floor(now * PER_MS));
    const page = this.pages[Math.floor(slot / PAGE)];
    const kept = page?.[slot % PAGE] ?? NEVER;
    if (kept !== NEVER && this.ageOf(kept) > HALF) page![slot % PAGE] = keep(this.latest - HALF);
  }

  private advance(units: number): void {
    if (units <= this.latest) return;
    const isFar = units - this.latest > HALF; // the process has stood still
    this.latest = units;
    if (isFar) this.forgetAges();
  }

  /** All times count as those of 3 days ago. */
  private forgetAges(): void {
    const old = keep(this.latest - HALF);
    for (const page of this.pages) page?.forEach((kept, i) => kept !== NEVER && (page[i] = old));
  }

  /** In units. */
  private ageOf(kept: number): number {
    return (this.latest + 1 - kept) >>> 0;
  }
}

/** One more than the units, so that 0 is free. */
function keep(units: number): number {
  return (units + 1) >>> 0 || 1;
}
