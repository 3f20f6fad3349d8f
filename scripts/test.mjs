/**
 * `npm test`: installs what is missing, builds, checks, runs all tests. Arguments go to vitest: `npm test -- test/kernel`.
 * Tests that need root are skipped for a plain user, and said to be.
 */
import { build } from './build.mjs';
import { check } from './check.mjs';
import { TEST_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { bin, run } from './run.mjs';

const filters = process.argv.slice(2);
const isRoot = process.getuid?.() === 0;

ensurePackages();
const missing = ensurePrograms(TEST_PROGRAMS);
build();
const checked = filters.length > 0 || check();
const tested = run(bin('vitest'), ['run', ...filters]) === 0;
if (!isRoot)
  process.stdout.write(
    'Skipped, because they need root: tests in kernel network namespaces (kernel, interop, attack).\n',
  );
if (missing.length > 0)
  process.stdout.write(`Missing programs, whose tests failed or were skipped: ${missing.join(', ')}\n`);
if (!checked) process.stdout.write('The checks FAILED: see "check ..." above.\n');
process.exit(checked && tested ? 0 : 1);
