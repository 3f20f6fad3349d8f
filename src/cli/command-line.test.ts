import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../', import.meta.url));

/** The modules that each command loads: those that are not imported only when they are needed. */
function modulesFrom(start: string): string[] {
  const found = new Set([start]);
  for (const file of found)
    for (const [, path] of readFileSync(file, 'utf8').matchAll(
      /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)'/gm,
    ))
      found.add(join(dirname(file), path!));
  return [...found].map((file) => file.slice(SRC.length));
}

test('a command does not load the machines of the roles before it needs them', () => {
  const modules = modulesFrom(join(SRC, 'cli', 'command-line.ts'));
  expect(modules).toContain('cli/program.ts');
  expect(
    modules.filter((name) => /^(core|runtime)\/.*(machine|client|server|relay)\.ts$/.test(name)),
  ).toEqual([]);
});
