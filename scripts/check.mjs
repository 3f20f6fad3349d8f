/** `npm run check`: types, lint with the borders between folders, format, unused code. Runs all of them, then gives the verdict. */
import { availableParallelism } from 'node:os';
import { bin, runBeside } from './run.mjs';

const CODE = ['src', 'test', 'bench', 'examples', 'scripts', 'vitest.config.ts'];

/** The longest first: as many as there are processors run side by side. */
const CHECKS = [
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['lint', 'oxlint', ['--deny-warnings', ...CODE]],
  ['unused code', 'knip', []],
  ['types without node', 'tsc', ['-p', 'tsconfig.pure.json']],
  ['types of the dashboard', 'tsc', ['-p', 'src/dashboard/tsconfig.json']],
  ['format', 'oxfmt', ['--check', ...CODE]],
];

/** Whether all checks passed. */
export async function check() {
  const waiting = CHECKS.values();
  const failed = [];
  const work = async () => {
    for (const one of waiting) if (!(await passes(one))) failed.push(one);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failed.length === 0;
}

async function passes([name, command, args]) {
  const { status, output } = await runBeside(bin(command), args);
  process.stdout.write(`${output}check ${name}: ${status === 0 ? 'good' : 'FAILED'}\n`);
  return status === 0;
}

if (process.argv[1] === import.meta.filename) process.exit((await check()) ? 0 : 1);
