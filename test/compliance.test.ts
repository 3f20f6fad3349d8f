import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../', import.meta.url);

const text = readFileSync(new URL('docs/rfc-compliance.md', ROOT), 'utf8');
/** Lines of tables, as cells; the first cell is the ID. */
const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ID '))
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
const files = [...text.matchAll(/`((?:src|test|docs)\/[^`]+)`/g)].map(([, file]) => file!);
const tests = [...text.matchAll(/`([^`]+\.test\.ts)` "([^"]+)"/g)].map(([, file, title]) => ({
  file: file!,
  title: title!,
}));

test('every row has an ID of its own', () => {
  const ids = rows.map(([id]) => id);
  expect(ids.length).toBeGreaterThan(200);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

test('rows are whole: five cells in the tables of rows', () => {
  const broken = rows.filter(
    ([id, ...cells]) => /^(?:C|CL|S|R|H|U|N|E)-\d+$/.test(id!) && cells.length !== 4,
  );
  expect(broken).toEqual([]);
});

test('every file that is named exists', () => {
  expect(files.filter((file) => !existsSync(new URL(file, ROOT)))).toEqual([]);
});

test('every test that is named stands in its file', () => {
  expect(tests.length).toBeGreaterThan(100);
  const missing = tests.filter(
    ({ file, title }) => !readFileSync(new URL(file, ROOT), 'utf8').includes(title),
  );
  expect(missing).toEqual([]);
});
