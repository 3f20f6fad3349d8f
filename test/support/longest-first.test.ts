import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { SLOW, secondsOf } from './longest-first.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(`../${name}.test.ts`, import.meta.url));

test('each file has its own time, also if its name begins with that of another one', () => {
  for (const [name, seconds] of SLOW) expect([name, secondsOf(pathOf(name))]).toEqual([name, seconds]);
  expect(secondsOf(pathOf('kernel/restart-of-another-kind'))).toBe(0);
});

test('all files of the list exist', () => {
  expect([...SLOW.keys()].filter((name) => !existsSync(pathOf(name)))).toEqual([]);
});
