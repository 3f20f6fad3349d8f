/**
 * `npm run build`: compiles src to dist, bundles the program's modules into one file, which starts in half the time, and makes the dashboard. The
 * program's file is as deep in the tree as the modules that find files of the package relative to themselves.
 */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildDashboard } from './dashboard.mjs';
import { bin, root, runBeside } from './run.mjs';

/**
 * Builds beside the old result, then replaces it: another run may be starting programs from there. Ends this process on errors. `isChecked`: false
 * where `check` tests the types.
 */
export async function build({ isChecked = true } = {}) {
  const [dist, fresh, old] = ['', `.new-${process.pid}`, `.old-${process.pid}`].map((end) =>
    join(root, `dist${end}`),
  );
  const args = ['-p', 'tsconfig.build.json', '--outDir', fresh, isChecked ? '--noEmitOnError' : '--noCheck'];
  const { status, output } = await runBeside(bin('tsc'), args);
  process.stdout.write(output);
  if (status === 0) {
    await bundle(join(fresh, 'cli'));
    for (const name of ['server-worker', 'relay-worker', 'client-worker'])
      await bundleThread(join(fresh, 'runtime', 'workers', `${name}.js`));
    await buildDashboard(join(fresh, 'dashboard.html'));
    replace(dist, fresh, old);
  }
  for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
  if (status !== 0) process.exit(status);
}

/** The module of a thread becomes one file, too: each thread opens it, and as few others as possible. */
async function bundleThread(file) {
  const { rolldown } = await import('rolldown');
  const whole = await rolldown({ input: file, platform: 'node', external: isInstalled });
  await whole.write({ file, format: 'esm', codeSplitting: false });
  await whole.close();
}

/** Modules that are imported only when they are needed become files of their own. Development dependencies become part of the result. */
async function bundle(cli) {
  const { rolldown } = await import('rolldown'); // it may have been installed just now
  const whole = await rolldown({
    input: join(cli, 'main.js'),
    platform: 'node',
    external: isInstalled,
    // A module may be loaded late by one command, and at once by another.
    checks: { ineffectiveDynamicImport: false },
  });
  await whole.write({ dir: join(cli, 'program'), format: 'esm', chunkFileNames: '[name].js' });
  await whole.close();
}

function isInstalled(id) {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const installed = Object.keys(dependencies);
  return id.startsWith('node:') || installed.some((name) => id === name || id.startsWith(`${name}/`));
}

function replace(dist, fresh, old) {
  for (;;) {
    try {
      moveAway(dist, old);
      renameSync(fresh, dist);
      return;
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error; // another build was faster: its result is now the old one
      rmSync(old, { recursive: true, force: true });
    }
  }
}

function moveAway(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error; // the first build
  }
}

if (process.argv[1] === import.meta.filename) await build();
