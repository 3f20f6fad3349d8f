/**
 *  `npm test`: installs missing packages, builds, checks, runs all tests. Arguments go to vitest: `npm test -- test/kernel`.
 * Tests that need root are skipped for a plain user. The last line of a good run is `N passed, N failed, N skipped`.
 */
import { build } from './build.mjs';
import { check } from './check.mjs';
import { LONG_TEST_PROGRAMS, TEST_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { bin, run } from './run.mjs';

const filters = process.argv.slice(2);
const isRoot = process.getuid?.() === 0;

ensurePackages();
const isAll = process.env.TEREDO_TEST_ALL === '1';
if (isRoot) ensurePrograms(isAll ? [...TEST_PROGRAMS, ...LONG_TEST_PROGRAMS] : TEST_PROGRAMS);
else say('Not root: the tests in kernel network namespaces (kernel, interop, attack) are skipped.');
// The checks run beside the build, one of them with all the types.
const checking = filters.length > 0 ? true : check();
await build({ isChecked: checking === true });
const checked = await checking;
const tested = run(bin('vitest'), ['run', ...filters]) === 0;
if (!checked) say('The checks FAILED: see "check ..." above.');
process.exit(checked && tested ? 0 : 1);

function say(line) {
  process.stdout.write(`${line}\n`);
}
