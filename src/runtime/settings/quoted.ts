import { inspect } from 'node:util';

/** Any value in a message, text in double quotes. Callers without types may give values of any kind. */
export function quoted(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity }).replace(/^'(.*)'$/, '"$1"');
}
