import type { PeerIndex } from './peer-index.ts';

/** A table that has columns of the same length, keys of four words, and an index of these. */
export interface Growing {
  /** The most slots that it may need. They may change. */
  readonly most: number;
  readonly index: PeerIndex;
  /** Steps, each of which makes one column longer. */
  columns(size: number): (() => void)[];
}

const FIRST_SLOTS = 256;
/** The table grows when this part of it is left: half of it suffices for the columns, the other half for the index. */
const RESERVE = 32;
/** At least so many are widened one after the other, and parts of the words. */
const COLUMNS = 24;
const PARTS = 8;

/** Makes a table longer in time, a column or some entries of the index at each insert, so that no newcomer has to wait for the whole of it. */
export class TableGrowth {
  /** Slots in all columns. */
  slots = 0;
  /** The keys. */
  words = new Uint32Array(0);
  private readonly table: Growing;
  /** The longer one while it is filled. */
  private nextWords: Uint32Array | undefined;
  /** Under way, a column or some entries of the index at a time; and the inserts until the next step. */
  private growth: Iterator<number> | undefined;
  private untilStep = 0;

  constructor(table: Growing) {
    this.table = table;
  }

  get byteLength(): number {
    return this.words.byteLength + (this.nextWords?.byteLength ?? 0);
  }

  /** The words of a slot's key have been written. */
  keyChanged(slot: number): void {
    const w = slot * 4;
    this.nextWords?.set(this.words.subarray(w, w + 4), w);
  }

  /** One slot is to be taken of the `left` ones that are free. */
  growInTime(left: number): void {
    if (this.growth === undefined) {
      if (left > this.slots / RESERVE || this.slots >= this.table.most) return;
      this.growth = this.grow(this.slots === 0 ? FIRST_SLOTS : this.slots * 2);
    }
    if (left > 0 && this.untilStep-- > 0) return;
    do {
      const { done, value } = this.growth.next();
      if (done === true) this.growth = undefined;
      else this.untilStep = value;
    } while (left === 0 && this.growth !== undefined);
  }

  /** Yields after each column, and after some entries of the index, the number of inserts until the next step. */
  private *grow(wanted: number): Generator<number, void> {
    const { table } = this;
    // Limits may have changed.
    const size = Math.max(this.slots, Math.min(wanted, table.most));
    const pause = Math.floor(this.slots / RESERVE / 2 / COLUMNS);
    for (const widenNext of table.columns(size)) {
      widenNext();
      yield pause;
    }
    for (const _ of this.widenWords(size)) yield pause;
    table.index.grow(size);
    while (table.index.isMoving) {
      table.index.move();
      yield 0;
    }
    this.slots = size;
  }

  /** The largest column, in parts. */
  private *widenWords(size: number): Generator<void> {
    const next = (this.nextWords = new Uint32Array(size * 4));
    const part = Math.ceil(this.words.length / PARTS);
    for (let i = 0; i < PARTS; i++) {
      next.set(this.words.subarray(i * part, (i + 1) * part), i * part);
      yield;
    }
    this.words = this.table.index.words = next;
    this.nextWords = undefined;
  }
}

export function widen<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
