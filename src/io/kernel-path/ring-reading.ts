/** Records that are read in one turn of the event loop: they take 1 to 3 ms. */
export const READ_AT_ONCE = 1_024;
/** The part of the ring that is taken at most when it is read, if the records come as before: no request for all of them takes long. */
const WANTED_FILL = 1 / 8;
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [10, 500];

type OnRecord = (view: DataView, offset: number, length: number) => void;

/** The ring, as far as this needs it. */
export interface Ring {
  readonly fill: number;
  drain(onRecord: OnRecord, most?: number): number;
}

/** Reads the ring of reports in parts, and finds out how often it has to be read so that it does not become full. */
export class RingReading {
  private readonly ring: Ring;
  private readonly onRecord: OnRecord;
  private begunAt = -Infinity;
  private pauseMs = MOST_PAUSE_MS;
  /** Records are left for the next turn. */
  hasMore = false;

  constructor(ring: Ring, onRecord: OnRecord) {
    this.ring = ring;
    this.onRecord = onRecord;
  }

  /** When the ring has to be read again (ms). At once, if records are left. */
  nextAt(now: number): number {
    return this.hasMore ? now : now + this.pauseMs;
  }

  /** In this turn, {@link READ_AT_ONCE} of them at most. */
  readSome(now: number): void {
    this.read(now, READ_AT_ONCE);
  }

  readAll(now: number): void {
    this.read(now, Infinity);
  }

  private read(now: number, most: number): void {
    if (!this.hasMore) this.adaptPause(now);
    this.hasMore = this.ring.drain(this.onRecord, most) === most;
  }

  private adaptPause(now: number): void {
    const { fill } = this.ring;
    const pause = fill === 0 ? MOST_PAUSE_MS : ((now - this.begunAt) * WANTED_FILL) / fill;
    this.pauseMs = Math.max(LEAST_PAUSE_MS, Math.min(MOST_PAUSE_MS, pause));
    this.begunAt = now;
  }
}
