import { BUBBLE_BUDGET } from './constants.ts';

/** The gaps between the latest bubbles of a peer, as many as a full budget has. */
const GAPS = BUBBLE_BUDGET - 1;
/** Up to 655 s in 16 bits. */
const UNIT_MS = 10;
/** Slots in a page. */
const PAGE = 1_024;

/**
 * The times between the latest bubbles that a peer has not answered, by slot. Most peers answer the first one: there are pages only for those that
 * do not.
 */
export class BubbleGaps {
  /** For each slot the gaps, the latest first. */
  private readonly pages: (Uint16Array | undefined)[] = [];

  get byteLength(): number {
    return this.pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0);
  }

  /** Another bubble was not answered, sent so long (ms) after the one before. */
  add(slot: number, gapMs: number): void {
    const page = (this.pages[Math.floor(slot / PAGE)] ??= new Uint16Array(PAGE * GAPS));
    const at = (slot % PAGE) * GAPS;
    page.copyWithin(at + 1, at, at + GAPS - 1);
    page[at] = Math.min(0xffff, gapMs / UNIT_MS);
  }

  /** The sum (ms) of the latest gaps. It counts only when there have been so many since an answer. */
  sumOf(slot: number): number {
    const page = this.pages[Math.floor(slot / PAGE)];
    if (page === undefined) return 0;
    const at = (slot % PAGE) * GAPS;
    let sum = 0;
    for (let i = 0; i < GAPS; i++) sum += page[at + i]!;
    return sum * UNIT_MS;
  }
}
