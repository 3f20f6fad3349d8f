import { expect, test } from 'vitest';
import { addressOrder } from './address-order.ts';

const WHOLE = 8;

test.each([
  ['an empty file', '', WHOLE],
  ['comments only', '# precedence 2001::/32 5\n#precedence ::ffff:0:0/96 35\n', WHOLE],
  ['other settings only', 'label 2001::/32 7\nreload yes\nscopev4 ::ffff:169.254.0.0/112 2\n', WHOLE],
  ['a malformed line', 'precedence 2001::/32 five\nprecedence 2001:/32 5\n', WHOLE],
  ['the usual line for IPv4, but lower than everything', 'precedence ::ffff:0:0/96 10\n', 1],
  ['a table without Teredo', 'precedence ::/0 40\nprecedence ::ffff:0:0/96 35\n', 1],
  ['the same precedence as IPv4', 'precedence ::ffff:0:0/96 35\nprecedence 2001::/32 35\n', 0],
  [
    'a longer prefix',
    'precedence ::ffff:0:0/96 35\nprecedence 2001::/32 5\nprecedence 2001:0:cb00::/40 50\n',
    0,
  ],
])('Teredo first: %s', (_name, text, lines) => {
  const { ipv4First, missingLines } = addressOrder(text);
  expect([ipv4First, missingLines.length]).toEqual([false, lines]);
  if (lines > 0) {
    expect(missingLines).toContain('precedence 2001::/32 5');
    expect(addressOrder([text, ...missingLines].join('\n')).ipv4First).toBe(true);
  }
});

test.each([
  ['only the line for Teredo', 'precedence 2001::/32 5'],
  ['IPv4 before everything', 'precedence ::ffff:0:0/96  100   # IPv4 first\n'],
  ['a table with Teredo', 'precedence ::/0 40\n precedence\t::ffff:0:0/96 35\nprecedence 2001::/32 5\n'],
  ['a shorter prefix', 'precedence ::ffff:0:0/96 35\nprecedence 2001::/23 5\n'],
])('IPv4 first: %s', (_name, text) => {
  expect(addressOrder(text)).toEqual({ ipv4First: true, missingLines: [] });
});
