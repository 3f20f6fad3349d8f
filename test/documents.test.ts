import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...['docs', 'packaging'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file)),
  ),
];
const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');
const decisions = pages.filter((page) => /^docs\/adr\/\d{4}-/.test(page));

/** The names of a page's headings, as GitHub makes them: lower case, no punctuation, hyphens for blanks. */
function headingsOf(page: string): string[] {
  const text = read(page).replaceAll(/```.*?```/gs, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

function isBroken(page: string, link: string): boolean {
  if (/^https?:/.test(link)) return false;
  const [path, heading] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path!));
  if (!existsSync(join(ROOT, target))) return true;
  return heading !== undefined && !headingsOf(target).includes(heading);
}

test('every link leads to a file, and to a heading if it names one', () => {
  const links = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => ({ page, link: link! })),
  );
  expect(links.length).toBeGreaterThan(50);
  expect(links.filter(({ page, link }) => isBroken(page, link))).toEqual([]);
});

test('the README is a landing page: at most 900 words', () => {
  expect(read('README.md').split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(900);
});

test('every decision has a status and a date, and is in the index', () => {
  const index = read('docs/adr/README.md');
  expect(decisions.length).toBeGreaterThan(15);
  const incomplete = decisions.filter(
    (page) =>
      !/^Status: .*\d{4}-\d\d-\d\d/m.test(read(page)) ||
      !index.includes(`](${page.slice('docs/adr/'.length)})`),
  );
  expect(incomplete).toEqual([]);
});
