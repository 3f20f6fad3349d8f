/** The work of reading in one turn of the event loop: that of so many reports, 1 to 3 ms. */
export const READ_AT_ONCE = 1_024;
/** Records between two looks at the work that is done. */
const READ_IN_A_ROW = 32;
/** The part of the ring that is taken at most when it is read, if the records come as before: no request for all of them takes long. */
const WANTED_FILL = 1 / 8;
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [10, 500];

/** Returns how much work the record was: 1 for a report. */
type OnRecord = (view: DataView, offset: number, length: number) => number;

/** The ring, as far as this needs it. */
export interface Ring {
  readonly fill: number;
  drain(onRecord: (view: DataView, offset: number, length: number) => void, most?: number): number;
}

/** Reads the ring of reports in parts, and finds out how often it has to be read so that it does not become full. */
export class RingReading {
  private readonly ring: Ring;
  private readonly onRecord: (view: DataView, offset: number, length: number) => void;
  private done = 0;
  private begunAt = -Infinity;
  private pauseMs = MOST_PAUSE_MS;
  /** Records are left for the next turn. */
  hasMore = false;

  constructor(ring: Ring, onRecord: OnRecord) {
    this.ring = ring;
    this.onRecord = (view, offset, length) => (this.done += onRecord(view, offset, length));
  }

  /** When the ring has to be read again (ms). At once, if records are left. */
  nextAt(now: number): number {
    return this.hasMore ? now : now + this.pauseMs;
  }

  /** As many as are read in one turn. */
  readSome(now: number): void {
    this.read(now, READ_AT_ONCE);
  }

  /** All that are there now, if the ring has room for so many; some at each step. */
  *readInTurns(now: () => number, room: number): Generator<void> {
    for (let count = 0; count < room;) {
      count += this.read(now(), READ_AT_ONCE);
      if (!this.hasMore) return;
      yield;
    }
  }

  readAll(now: number): void {
    this.read(now, Infinity);
  }

  /** Returns how many were read. */
  private read(now: number, most: number): number {
    if (!this.hasMore) this.adaptPause(now);
    this.done = 0;
    let all = 0;
    let count: number;
    do {
      count = this.ring.drain(this.onRecord, READ_IN_A_ROW);
      all += count;
    } while (count === READ_IN_A_ROW && this.done < most);
    this.hasMore = count === READ_IN_A_ROW;
    return all;
  }

  private adaptPause(now: number): void {
    const { fill } = this.ring;
    const pause = fill === 0 ? MOST_PAUSE_MS : ((now - this.begunAt) * WANTED_FILL) / fill;
    this.pauseMs = Math.max(LEAST_PAUSE_MS, Math.min(MOST_PAUSE_MS, pause));
    this.begunAt = now;
  }
}
