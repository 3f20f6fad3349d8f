/** How long pieces of a list are made at a time, and how many characters. */
const PIECE_MS = 1;
const PIECE_LENGTH = 16 << 10;

/** The JSON of a long list, in pieces between which other work is done. */
export class ListText {
  private readonly left: Iterator<unknown>;
  private separator = '';
  private isDone = false;

  /** An item that is undefined is a step without one. */
  constructor(items: Iterable<unknown>) {
    this.left = items[Symbol.iterator]();
  }

  /** The next elements, as many as can be made in one turn; undefined after the last ones. */
  next(): string | undefined {
    if (this.isDone) return undefined;
    const begun = performance.now();
    let text = '';
    while (performance.now() - begun < PIECE_MS && text.length < PIECE_LENGTH) {
      const next = this.left.next();
      if (next.done === true) {
        this.isDone = true;
        break;
      }
      if (next.value === undefined) continue;
      text += this.separator + JSON.stringify(next.value);
      this.separator = ',';
    }
    return text;
  }
}

/** The JSON of an object, in two parts between which the elements of its last field belong, a list. */
export function aroundList(object: object, list: string): readonly [before: string, after: string] {
  const after = ']}';
  return [JSON.stringify({ ...object, [list]: [] }).slice(0, -after.length), after];
}
