import { expect, test } from 'vitest';
import { parseForeign } from './control-client.ts';

/** End of line, escape, C1, right-to-left override, invisible sign, line and paragraph separators, a tag character. */
const HOSTILE = ['\n', '\u001b', '\u009b', '\u202e', '\u200b', '\u2028', '\u2029', '\u{e0041}'];

/** As JSON may be written: with the character itself where that is allowed, or all in escapes. */
const WAYS: readonly ((text: string) => string)[] = [
  (text) => JSON.stringify(text),
  (text) => `"${Array.from({ length: text.length }, (_, i) => inHex(text.charCodeAt(i))).join('')}"`,
];
const inHex = (unit: number): string => `\\u${unit.toString(16).padStart(4, '0')}`;

test.each(HOSTILE)('%j in an answer of a daemon is replaced, in values and names', (character) => {
  for (const written of WAYS) {
    expect(parseForeign(`{"a":[${written(`x${character}y`)}]}\n`)).toEqual({ a: ['x\ufffdy'] });
    expect(parseForeign(`{"a":{${written(`x${character}y`)}:1}}\n`)).toEqual({ a: { 'x\ufffdy': 1 } });
  }
});

test('other text stays as it is', () => {
  const value = { 'Zürich "\\': ['東京', 'שלום', 1, null, true] };
  expect(parseForeign(`${JSON.stringify(value)}\n`)).toEqual(value);
  expect(parseForeign('{')).toBeUndefined();
});
