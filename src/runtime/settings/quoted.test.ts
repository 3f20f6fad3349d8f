import { expect, test } from 'vitest';
import { printable, quoted } from './quoted.ts';

/** End of line, escape, C1, right-to-left override, invisible sign, line and paragraph separators, a tag character. */
const HOSTILE = '\n\u001b[2J\u009b\u202e\u200b\u2028\u2029\u{e0041}';
const SHOWN = String.raw`\n\x1B[2J\x9B\u{202e}\u{200b}\u{2028}\u{2029}\u{e0041}`;

test('text from outside stays one line, and changes neither the terminal nor the order of the line', () => {
  expect(printable(`a${HOSTILE}b`)).toBe(`a${SHOWN}b`);
  expect(quoted(`a${HOSTILE}b`)).toBe(`"a${SHOWN}b"`);
});

test('text in other scripts stays as it is', () => {
  expect(printable('Zürich 東京 שלום')).toBe('Zürich 東京 שלום');
  expect(quoted('Zürich')).toBe('"Zürich"');
});
