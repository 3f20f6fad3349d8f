/** Which rows of a long table have to exist: those that are seen, and some around them. */
export interface VisibleRows {
  /** The first row, and the one behind the last. */
  readonly from: number;
  readonly to: number;
}

/** Rows beyond each edge, so that a short scroll shows no gap. */
const AROUND = 6;

export function visibleRows(view: {
  readonly scrolled: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly count: number;
}): VisibleRows {
  const { scrolled, height, rowHeight, count } = view;
  const first = Math.floor(Math.max(0, scrolled) / rowHeight);
  const seen = Math.ceil(height / rowHeight);
  const to = Math.min(count, first + seen + AROUND);
  return { from: Math.max(0, Math.min(first - AROUND, to - seen - 2 * AROUND)), to };
}
