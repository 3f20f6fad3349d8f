/** `npm run check`: types, lint with the borders between folders, format, unused code. Runs all of them, then gives the verdict. */
import { bin, run } from './run.mjs';

const CODE = ['src', 'test', 'bench', 'examples', 'scripts', 'vitest.config.ts'];

const CHECKS = [
  ['types', 'tsc', ['-p', 'tsconfig.json']],
  ['types of the dashboard', 'tsc', ['-p', 'src/dashboard/tsconfig.json']],
  ['types without node', 'tsc', ['-p', 'tsconfig.pure.json']],
  ['lint', 'oxlint', ['--deny-warnings', ...CODE]],
  ['format', 'oxfmt', ['--check', ...CODE]],
  ['unused code', 'knip', []],
];

/** Whether all checks passed. */
export function check() {
  const failed = CHECKS.filter(([name, command, args]) => {
    const good = run(bin(command), args) === 0;
    process.stdout.write(`check ${name}: ${good ? 'good' : 'FAILED'}\n`);
    return !good;
  });
  return failed.length === 0;
}

if (process.argv[1] === import.meta.filename) process.exit(check() ? 0 : 1);
