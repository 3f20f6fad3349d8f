const BITS = 8;
/** Rows in a page. */
export const PAGE_ROWS = 1 << BITS;
/** Pages that are kept while no row is in use. */
const KEPT_PAGES = 16;

/** No such row. */
export const NO_ROW = -1;

/** The index of a row in the columns of its page. */
export function inPage(row: number): number {
  return row & (PAGE_ROWS - 1);
}

/**
 * Rows of columns for things that come and go often, without an object for each. A row is a number; free ones are used again. `P` has columns
 * of {@link PAGE_ROWS} numbers: with pages nothing has to be copied when there are more rows than ever before.
 */
export class Rows<P> {
  private readonly makePage: () => P;
  private readonly pages: P[] = [];
  private readonly free: number[] = [];
  /** Rows from this one on have never been used. */
  private unused = 0;

  constructor(makePage: () => P) {
    this.makePage = makePage;
  }

  get inUse(): number {
    return this.unused - this.free.length;
  }

  pageOf(row: number): P {
    return this.pages[row >>> BITS]!;
  }

  /** A row, in which the columns have the values of its last use. */
  take(): number {
    const free = this.free.pop();
    if (free !== undefined) return free;
    if (this.unused === this.pages.length * PAGE_ROWS) this.pages.push(this.makePage());
    return this.unused++;
  }

  give(row: number): void {
    this.free.push(row);
    if (this.free.length < this.unused || this.pages.length <= KEPT_PAGES) return;
    this.pages.length = KEPT_PAGES;
    this.free.length = this.unused = 0;
  }
}
