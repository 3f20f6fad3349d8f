/** `npm run bench`: installs missing packages, builds, and runs the bench with the same arguments. */
import { build } from './build.mjs';
import { TEST_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { bin, mustRun, run } from './run.mjs';

ensurePackages();
ensurePrograms(TEST_PROGRAMS);
await build();
mustRun(bin('tsc'), ['-p', 'tsconfig.bench.json']);
process.exit(run(process.execPath, ['dist/bench/bench/main.js', ...process.argv.slice(2)]));
