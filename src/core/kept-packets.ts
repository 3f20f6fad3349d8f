import { copyBytes } from '../wire/index.ts';
import { NO_ROW, PAGE_ROWS, Rows, inPage } from './rows.ts';

/** Copies share memory of this size: to allocate a piece for each costs more than the copy. */
const CHUNK_BYTES = 16 << 10;
/** To copy so many octets takes less time than to make a view of them. */
const SMALL_BYTES = 256;
const NOTHING = new Uint8Array(0);

/** Copies of packets, in columns. The memory of a copy is not written again: a command may still refer to it when the copy has been given back. */
export class KeptPackets {
  private readonly rows = new Rows(() => new Page());
  private chunk = NOTHING;
  private used = 0;

  get count(): number {
    return this.rows.inUse;
  }

  /** Keeps a copy of `buffer[start, end)`. Returns its row. */
  add(buffer: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (this.used + length > this.chunk.length) {
      this.chunk = new Uint8Array(Math.max(CHUNK_BYTES, length));
      this.used = 0;
    }
    const { chunk, used } = this;
    if (length <= SMALL_BYTES) copyBytes(buffer, start, chunk, used, length);
    else chunk.set(buffer.subarray(start, end), used);
    this.used += length;
    const row = this.rows.take();
    const page = this.rows.pageOf(row);
    const i = inPage(row);
    page.buffers[i] = chunk;
    page.starts[i] = used;
    page.ends[i] = used + length;
    page.next[i] = NO_ROW;
    return row;
  }

  bufferOf(row: number): Uint8Array {
    return this.rows.pageOf(row).buffers[inPage(row)]!;
  }

  startOf(row: number): number {
    return this.rows.pageOf(row).starts[inPage(row)]!;
  }

  endOf(row: number): number {
    return this.rows.pageOf(row).ends[inPage(row)]!;
  }

  bytesOf(row: number): Uint8Array {
    return this.bufferOf(row).subarray(this.startOf(row), this.endOf(row));
  }

  /** The copy that follows this one, or NO_ROW. */
  nextOf(row: number): number {
    return this.rows.pageOf(row).next[inPage(row)]!;
  }

  /** Lets a copy follow another one. */
  link(row: number, next: number): void {
    this.rows.pageOf(row).next[inPage(row)] = next;
  }

  /** Gives back this copy and those that follow it. */
  drop(first: number): void {
    for (let row = first; row !== NO_ROW;) {
      const page = this.rows.pageOf(row);
      page.buffers[inPage(row)] = NOTHING;
      const next = page.next[inPage(row)]!;
      this.rows.give(row);
      row = next;
    }
  }
}

class Page {
  readonly buffers: Uint8Array[] = Array.from({ length: PAGE_ROWS }, () => NOTHING);
  readonly starts = new Uint32Array(PAGE_ROWS);
  readonly ends = new Uint32Array(PAGE_ROWS);
  readonly next = new Int32Array(PAGE_ROWS);
}
