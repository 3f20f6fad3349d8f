import { inspect } from 'node:util';

/** Any value in a message, text in double quotes. Callers without types may give values of any kind. */
export function quoted(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity }).replace(/^'(.*)'$/, '"$1"');
}

/** Text from outside in a message: control characters are escaped, so that it stays one line and does nothing to a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => inspect(character).slice(1, -1));
}
