/** Errors of the reader of TOML, in words for people that write a file for the first time. */
import type { Place } from './document.ts';

/** Of a line that is looked at. */
const MOST_CHARACTERS = 1_000;

interface Explained {
  readonly words: string;
  readonly place: Place;
}

const NO_EQUALS = 'write "=" between key and value';
const NO_VALUE = 'the key has no value';
const NO_BRACKET = 'the name of the table has no closing "]"';

const WORDS: Readonly<Record<string, string>> = {
  'Unterminated string constant': 'the closing quote is missing',
  'Unterminated table-key': NO_BRACKET,
  'Unterminated array': 'the list has no closing "]"',
  'Unterminated inline table': 'the table has no closing "}"',
  'Must be a newline': 'there is more behind the value: each key has a line of its own',
  'Expected equal (=) token': NO_EQUALS,
  'Unspecified values are invalid': NO_VALUE,
  'Expected comma (,) token': 'a comma is missing between two elements of the list',
  'Defining a key multiple times is invalid': 'this key or table is in the file already',
  'Invalid character in escape sequence': 'write two backslashes for one, or the text in single quotes',
};

/** The reader has met something else than it expected, for which a wrong value may be the reason. */
const OUT_OF_PLACE = [
  'Must be a newline',
  'Expected equal (=) token',
  'Expected comma (,) token',
  'Unexpected character',
];

const KEY = String.raw`^\s*[\w."'-]+\s*`;
/** Lines that the reader finds wrong in the next one only. */
const UNFINISHED = [
  [new RegExp(`${KEY}=$`), NO_VALUE],
  [new RegExp(`${KEY}$`), NO_EQUALS],
  [/^\s*\[[^\]"']*$/, NO_BRACKET],
] as const;
const ASSIGNMENT = new RegExp(`${KEY}=`);
const BOOLEAN = /^(?:true|false|yes|no|on|off)$/i;
/** Characters of a value without quotes. */
const BARE = /[^\s,[\]{}="'#]+/g;

/** The words, and the place where a person sees the fault. */
export function explainToml(text: string, message: string, place: Place): Explained {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.slice(0, MOST_CHARACTERS).replace(/\s*(?:#[^"']*)?$/, ''));
  const line = lines[place.line - 1] ?? '';
  const [begin, at] = [line.slice(0, place.column - 1), place.column - 1];
  const unfinished = begin.trim() === '' ? unfinishedBefore(lines, place.line) : undefined;
  if (unfinished !== undefined) return unfinished;
  const words = OUT_OF_PLACE.includes(message) ? wordsForLine(line, at) : undefined;
  return { words: words ?? WORDS[message] ?? message, place };
}

/** The last line above, if it is one that cannot end there. */
function unfinishedBefore(lines: readonly string[], number: number): Explained | undefined {
  const index = lines.slice(0, number - 1).findLastIndex((line) => line !== '');
  const line = lines[index] ?? '';
  const words = UNFINISHED.find(([form]) => form.test(line))?.[1];
  return words && { words, place: { line: index + 1, column: line.length + 1 } };
}

function wordsForLine(line: string, at: number): string | undefined {
  if (/[“”„]/.test(line)) return 'write straight quotes: "';
  if (/^\s*(?:;|\/\/)/.test(line)) return 'a comment begins with "#"';
  if (isOdd(line)) return 'a quote is missing in this line';
  if (new RegExp(`${KEY}:`).test(line)) return NO_EQUALS;
  const isFirst = line.slice(0, at).trim() === '';
  if (isFirst) return ASSIGNMENT.test(line) ? 'a list or table above this line has no end' : undefined;
  const bare = [...line.matchAll(BARE)].find(
    ({ 0: word, index }) => at >= index && at <= index + word.length,
  );
  return bare && wordsForBare(bare[0]);
}

function wordsForBare(word: string): string | undefined {
  if (BOOLEAN.test(word)) return 'write true or false, in small letters and without quotes';
  return /[\p{L}./:]/u.test(word) ? `write texts in quotes: "${word}"` : undefined;
}

function isOdd(line: string): boolean {
  return (line.match(/(?<!\\)"/g) ?? []).length % 2 === 1;
}
