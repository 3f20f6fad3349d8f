import { NO_ROW } from './rows.ts';

const BITS = 10;
const PEERS = 1 << BITS;
/** The place of the number of rows in a page, behind those of the peers. */
const COUNT = PEERS;
/** Empty pages that are kept. */
const SPARE = 4;

/** A row for some of the peers of a table, by slot. In pages that are there only while one of their peers has a row. */
export class RowsByPeer {
  /** Rows + 1, 0: none; and their number. */
  private readonly pages: (Int32Array | undefined)[] = [];
  private readonly spare: Int32Array[] = [];

  /** The peer's row, or NO_ROW. */
  get(peer: number): number {
    const page = this.pages[peer >>> BITS];
    return page === undefined ? NO_ROW : page[peer & (PEERS - 1)]! - 1;
  }

  /** For a peer that has no row. */
  add(peer: number, row: number): void {
    const page = (this.pages[peer >>> BITS] ??= this.spare.pop() ?? new Int32Array(PEERS + 1));
    page[peer & (PEERS - 1)] = row + 1;
    page[COUNT]!++;
  }

  /** For a peer that has a row. */
  remove(peer: number): void {
    const page = this.pages[peer >>> BITS]!;
    page[peer & (PEERS - 1)] = 0;
    if (--page[COUNT]! > 0) return;
    this.pages[peer >>> BITS] = undefined;
    if (this.spare.length < SPARE) this.spare.push(page);
  }
}
