import type { HashKey } from './hash.ts';

/** No such slot. */
const NONE = -1;
/** In place of a slot: never used, and used before. A search continues past the second one only. */
const [EMPTY, LEFT] = [0, -1];
/** The highest load factor. */
const MAX_LOAD = 0.6;
/** Places of the smaller table that are moved at once: the table has less than 4 places a slot, and a 64th of the slots is left for it. */
const MOVED_AT_ONCE = 256;

/**
 * Finds slots by the 128-bit keys in them: open addressing with linear probing. It grows in steps, so that no step takes long: entries move from
 * the smaller table to the larger one, and are looked for in both.
 */
export class PeerIndex {
  /** The keys, four words a slot. The owner replaces it by a longer one with the same content. */
  words: Uint32Array;
  private readonly hash: HashKey;
  private readonly sought = new Uint32Array(4);
  /** Slot numbers + 1, or EMPTY. */
  private table = new Int32Array(0);
  /** The smaller table while entries move out of it, and the next place of it. */
  private smaller = new Int32Array(0);
  private moved = 0;

  constructor(words: Uint32Array, hash: HashKey) {
    this.words = words;
    this.hash = hash;
  }

  get byteLength(): number {
    return this.table.byteLength + this.smaller.byteLength;
  }

  /** The slot with this key, or -1. */
  find(a: number, b: number, c: number, d: number): number {
    const { sought, smaller } = this;
    sought[0] = a;
    sought[1] = b;
    sought[2] = c;
    sought[3] = d;
    const hash = this.hash.of4(a, b, c, d);
    const slot = this.search(this.table, hash);
    return slot !== NONE || smaller.length === 0 ? slot : this.search(smaller, hash);
  }

  /** Adds a slot, the key of which is not in the index yet. */
  add(slot: number): void {
    const { table } = this;
    const mask = table.length - 1;
    let at = this.hashOf(slot) & mask;
    while (table[at] !== EMPTY) at = (at + 1) & mask;
    table[at] = slot + 1;
  }

  /** Removes a slot of the index. */
  remove(slot: number): void {
    if (!this.removeFromTable(slot)) this.leave(slot);
  }

  /** Empty places for so many slots; undefined: there are as many now. */
  placesFor(slots: number): Int32Array<ArrayBuffer> | undefined {
    const places = 2 ** Math.ceil(Math.log2(slots / MAX_LOAD));
    return places === this.table.length ? undefined : new Int32Array(places);
  }

  /** Begins to make room for so many slots. Not while {@link isMoving}. `places`: of {@link placesFor}. */
  grow(slots: number, places = this.placesFor(slots)): void {
    if (places === undefined) return;
    this.smaller = this.table;
    this.moved = 0;
    this.table = places;
  }

  get isMoving(): boolean {
    return this.smaller.length > 0;
  }

  /** Moves some entries to the larger table. */
  move(): void {
    const { smaller } = this;
    const end = Math.min(this.moved + MOVED_AT_ONCE, smaller.length);
    for (; this.moved < end; this.moved++) {
      const entry = smaller[this.moved]!;
      if (entry <= EMPTY) continue;
      smaller[this.moved] = LEFT;
      this.add(entry - 1);
    }
    if (end === smaller.length) this.smaller = new Int32Array(0);
  }

  private search(table: Int32Array, hash: number): number {
    const { words, sought } = this;
    const mask = table.length - 1;
    if (mask < 0) return NONE;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const entry = table[at]!;
      if (entry === EMPTY) return NONE;
      if (entry === LEFT) continue;
      const w = (entry - 1) * 4;
      if (
        words[w] === sought[0] &&
        words[w + 1] === sought[1] &&
        words[w + 2] === sought[2] &&
        words[w + 3] === sought[3]
      )
        return entry - 1;
    }
  }

  /** Whether it was there. Closes the gap: an entry after it moves into it if a search for the entry would stop there. */
  private removeFromTable(slot: number): boolean {
    const { table } = this;
    const mask = table.length - 1;
    let hole = this.hashOf(slot) & mask;
    for (; table[hole] !== slot + 1; hole = (hole + 1) & mask) if (table[hole] === EMPTY) return false;
    for (let at = (hole + 1) & mask; table[at] !== EMPTY; at = (at + 1) & mask) {
      const home = this.hashOf(table[at]! - 1) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        table[hole] = table[at]!;
        hole = at;
      }
    }
    table[hole] = EMPTY;
    return true;
  }

  /** The slot has not moved yet. */
  private leave(slot: number): void {
    const { smaller } = this;
    const mask = smaller.length - 1;
    let at = this.hashOf(slot) & mask;
    while (smaller[at] !== slot + 1) at = (at + 1) & mask;
    smaller[at] = LEFT;
  }

  private hashOf(slot: number): number {
    const { words } = this;
    const w = slot * 4;
    return this.hash.of4(words[w]!, words[w + 1]!, words[w + 2]!, words[w + 3]!);
  }
}
