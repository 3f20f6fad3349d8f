import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../', import.meta.url);

const read = (file: string): string => readFileSync(new URL(file, ROOT), 'utf8');
const departures = read('docs/departures.md');
const text = read('docs/rfc-compliance.md') + departures;
/** Lines of tables as cells; the first cell is the ID. */
const lines = text
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
const rows = lines.filter(([id]) => /^[A-Z]+-\d+$/.test(id!));
/** IDs of departures, which have a heading each. */
const headings = [...departures.matchAll(/^### (D-\d+): /gm)].map(([, id]) => id!);
const files = [...text.matchAll(/`((?:src|test|docs)\/[^`]+)`/g)].map(([, file]) => file!);
const tests = [...text.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([, file, title]) => ({
  file: file!,
  title: title!,
}));

test('every row has an ID of its own', () => {
  const ids = [...rows.map(([id]) => id), ...headings];
  expect(ids.length).toBeGreaterThan(200);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

test('every departure that is cited has a heading', () => {
  const cited = new Set([...text.matchAll(/\bD-\d+\b/g)].map(([id]) => id));
  expect([...cited].filter((id) => !headings.includes(id))).toEqual([]);
  expect(headings.length).toBeGreaterThan(20);
});

test('rows are whole: five cells in the tables of rows', () => {
  // A line without an ID continues the row above it.
  const broken = lines.filter(
    ([id, ...cells]) => /^(?:(?:C|CL|S|R|H|U|N|E)-\d+)?$/.test(id!) && cells.length !== 4,
  );
  expect(broken).toEqual([]);
});

test('every file that is named exists', () => {
  expect(files.filter((file) => !existsSync(new URL(file, ROOT)))).toEqual([]);
});

test('every test that is named stands in its file', () => {
  expect(tests.length).toBeGreaterThan(100);
  const missing = tests.filter(({ file, title }) => !read(file).includes(title));
  expect(missing).toEqual([]);
});
