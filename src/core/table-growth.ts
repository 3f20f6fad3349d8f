import type { PeerIndex } from './peer-index.ts';

/** A table that has columns of the same length, keys of four words, and an index of these. */
export interface Growing {
  /** The most slots that it may need. They may change. */
  readonly most: number;
  readonly index: PeerIndex;
  /** Of each column, begins to make it longer. */
  columns(size: number): (() => Widening)[];
}

/** A column that is about to become longer. */
export interface Widening {
  /** The longer one, which is empty. */
  readonly next: Column;
  /** Copies the column into the longer one, which takes its place. */
  readonly use: () => void;
}

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const FIRST_SLOTS = 256;
/** The table grows when this part of it is left: half of it suffices for the columns, the other half for the index. */
const RESERVE = 32;
/** At least so many are widened one after the other, and parts of the words. */
const COLUMNS = 24;
const PARTS = 8;
/** So many octets of new memory are touched in one step: the system gives each page when it is first written, which takes longer than to copy into it. */
const TOUCHED_AT_ONCE = 512 << 10;
/** The most octets of all columns and of the index, for a slot. */
const SLOT_BYTES = 72;

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
    const steps = COLUMNS + (size * SLOT_BYTES) / TOUCHED_AT_ONCE;
    const pause = Math.floor(this.slots / RESERVE / 2 / steps);
    for (const beginNext of table.columns(size)) {
      const { next, use } = beginNext();
      for (const _ of touch(next)) yield pause;
      use();
      yield pause;
    }
    for (const _ of this.widenWords(size)) yield pause;
    const places = table.index.placesFor(size);
    if (places !== undefined) for (const _ of touch(places)) yield pause;
    table.index.grow(size, places);
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

/** Writes the new memory of a large column, some at each step. */
function* touch(column: Column): Generator<void> {
  if (column.byteLength <= TOUCHED_AT_ONCE) return;
  const most = TOUCHED_AT_ONCE / column.BYTES_PER_ELEMENT;
  for (let at = 0; at < column.length; at += most) {
    column.fill(0, at, at + most);
    yield;
  }
}

/** `set`: makes the longer column the one of the table. */
export function widening<T extends Column>(from: T, next: T, set: (next: T) => void): Widening {
  const use = (): void => {
    next.set(from);
    set(next);
  };
  return { next, use };
}
