/** `npm run demo`: installs missing packages, builds, and shows the main job in namespaces of its own. */
import { build } from './build.mjs';
import { DEMO_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { run } from './run.mjs';

ensurePackages();
ensurePrograms(DEMO_PROGRAMS);
await build();
process.exit(run(process.execPath, ['bin/teredo', 'demo', ...process.argv.slice(2)]));
