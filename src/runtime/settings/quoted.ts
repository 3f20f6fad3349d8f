import { inspect } from 'node:util';

/** Characters that move the cursor, end the line, change the order of its signs, or are not seen. */
export const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export function hasUnprintable(text: string): boolean {
  return text.search(UNPRINTABLE) !== -1;
}

/** Any value in a message, text in double quotes. Callers without types may give values of any kind. */
export function quoted(value: unknown): string {
  return printable(inspect(value, { depth: 0, breakLength: Infinity }).replace(/^'(.*)'$/s, '"$1"'));
}

/** Text from outside in a message: unprintable characters are escaped, so that it stays one line and does nothing to a terminal. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, escaped);
}

/** The same for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function escaped(character: string): string {
  const known = inspect(character).slice(1, -1);
  return known === character ? `\\u{${character.codePointAt(0)!.toString(16)}}` : known;
}
