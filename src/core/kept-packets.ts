import { copyBytes } from '../wire/index.ts';
import { NO_ROW, PAGE_ROWS, Rows, inPage } from './rows.ts';

/** Copies share memory of this size: to allocate a piece for each costs more than the copy. */
const CHUNK_BYTES = 16 << 10;
/** A longer copy has memory of its own, so that a chunk is nearly full when the next one is begun. */
const LONGEST_SHARED = CHUNK_BYTES / 4;
/** To copy so many octets takes less time than to make a view of them. */
const SMALL_BYTES = 256;
/** Chunks of which less than half is needed: so many are kept as they are, because most will soon be free. */
const KEPT_SPARSE = 32;
/** Of the others so many are emptied when memory is allocated. They need less than two new ones, and the loss at the end of each. */
const EMPTIED_AT_ONCE = 4;

/** Memory for some copies. */
class Chunk {
  readonly bytes: Uint8Array;
  used = 0;
  /** Number and octets of the copies that are in it. */
  copies = 0;
  needed = 0;
  /** The rows of all copies that were put into it since it was empty. */
  readonly rows: number[] = [];

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  get isSparse(): boolean {
    return 2 * this.needed < this.bytes.length;
  }
}

const NO_CHUNK = new Chunk(0);

/**
 * Copies of packets, in columns. The memory of a copy is not written again: a command may still refer to it when the copy has been given back.
 * Copies move out of chunks of which little is needed. So the memory that is held grows only while half of it is needed, apart from
 * {@link KEPT_SPARSE} chunks.
 */
export class KeptPackets {
  private readonly rows = new Rows(() => new Page());
  /** The one that is being filled. */
  private chunk = new Chunk(0);
  /** The others of which less than half is needed. */
  private readonly sparse = new Set<Chunk>();

  get count(): number {
    return this.rows.inUse;
  }

  /** Keeps a copy of `buffer[start, end)`. Returns its row. */
  add(buffer: Uint8Array, start: number, end: number): number {
    const row = this.rows.take();
    const page = this.rows.pageOf(row);
    page.next[inPage(row)] = NO_ROW;
    if (!this.put(row, buffer, start, end - start)) this.emptySome();
    return row;
  }

  bufferOf(row: number): Uint8Array {
    return this.rows.pageOf(row).chunks[inPage(row)]!.bytes;
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
      const i = inPage(row);
      this.leave(page.chunks[i]!, page.ends[i]! - page.starts[i]!);
      page.chunks[i] = NO_CHUNK;
      const next = page.next[i]!;
      this.rows.give(row);
      row = next;
    }
  }

  /** Returns whether there was memory for it; if not, some is allocated. */
  private put(row: number, buffer: Uint8Array, start: number, length: number): boolean {
    const isThere = this.chunk.used + length <= this.chunk.bytes.length;
    const chunk = isThere ? this.chunk : this.chunkFor(length);
    const at = chunk.used;
    if (length <= SMALL_BYTES) copyBytes(buffer, start, chunk.bytes, at, length);
    else chunk.bytes.set(buffer.subarray(start, start + length), at);
    chunk.used += length;
    chunk.needed += length;
    chunk.copies++;
    const page = this.rows.pageOf(row);
    const i = inPage(row);
    page.chunks[i] = chunk;
    page.starts[i] = at;
    page.ends[i] = at + length;
    chunk.rows.push(row);
    return isThere;
  }

  private chunkFor(length: number): Chunk {
    if (length > LONGEST_SHARED) return new Chunk(length);
    const { chunk } = this;
    if (chunk.copies > 0 && chunk.isSparse) this.sparse.add(chunk);
    return (this.chunk = new Chunk(CHUNK_BYTES));
  }

  /** A copy of this length is no longer in it. */
  private leave(chunk: Chunk, length: number): void {
    const wasSparse = chunk.isSparse;
    chunk.needed -= length;
    chunk.copies--;
    if (chunk.copies === 0) {
      chunk.rows.length = 0; // pages of rows go when no row is in use
      this.sparse.delete(chunk);
    } else if (!wasSparse && chunk.isSparse && chunk !== this.chunk) this.sparse.add(chunk);
  }

  /** Memory was allocated: at least as much becomes free, if there are more sparse chunks than are kept. */
  private emptySome(): void {
    let left = EMPTIED_AT_ONCE;
    for (const chunk of this.sparse) {
      if (this.sparse.size <= KEPT_SPARSE || left-- === 0) return;
      this.empty(chunk);
    }
  }

  private empty(chunk: Chunk): void {
    for (const row of chunk.rows) {
      const page = this.rows.pageOf(row);
      const i = inPage(row);
      if (page.chunks[i] !== chunk) continue;
      const length = page.ends[i]! - page.starts[i]!;
      this.put(row, chunk.bytes, page.starts[i]!, length);
      this.leave(chunk, length);
    }
  }
}

class Page {
  readonly chunks: Chunk[] = Array.from({ length: PAGE_ROWS }, () => NO_CHUNK);
  readonly starts = new Uint32Array(PAGE_ROWS);
  readonly ends = new Uint32Array(PAGE_ROWS);
  readonly next = new Int32Array(PAGE_ROWS);
}
