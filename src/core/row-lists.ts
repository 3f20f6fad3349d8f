import { NO_ROW, PAGE_ROWS, inPage } from './rows.ts';

/** The ends of a list of rows. */
export class RowList {
  first = NO_ROW;
  last = NO_ROW;
}

/** For each row: the one before it in its list, and the one after it. */
export class Neighbours {
  readonly before = new Int32Array(PAGE_ROWS);
  readonly after = new Int32Array(PAGE_ROWS);
}

/** Lists of rows. Each row is in one of them at most. */
export class RowLists {
  private readonly neighboursOf: (row: number) => Neighbours;

  constructor(neighboursOf: (row: number) => Neighbours) {
    this.neighboursOf = neighboursOf;
  }

  /** The row after this one. */
  after(row: number): number {
    return this.neighboursOf(row).after[inPage(row)]!;
  }

  append(list: RowList, row: number): void {
    const { before, after } = this.neighboursOf(row);
    before[inPage(row)] = list.last;
    after[inPage(row)] = NO_ROW;
    if (list.last === NO_ROW) list.first = row;
    else this.neighboursOf(list.last).after[inPage(list.last)] = row;
    list.last = row;
  }

  remove(list: RowList, row: number): void {
    const { before, after } = this.neighboursOf(row);
    const [previous, next] = [before[inPage(row)]!, after[inPage(row)]!];
    if (previous === NO_ROW) list.first = next;
    else this.neighboursOf(previous).after[inPage(previous)] = next;
    if (next === NO_ROW) list.last = previous;
    else this.neighboursOf(next).before[inPage(next)] = previous;
  }
}
