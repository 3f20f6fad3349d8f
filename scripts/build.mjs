/** `npm run build`: compiles src to dist. */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, root, run } from './run.mjs';

/** Made beside the old one, then put in its place: another run may be starting programs from there. Ends this process on errors. */
export function build() {
  const [dist, fresh, old] = ['', `.new-${process.pid}`, `.old-${process.pid}`].map((end) =>
    join(root, `dist${end}`),
  );
  const status = run(bin('tsc'), ['-p', 'tsconfig.build.json', '--outDir', fresh, '--noEmitOnError']);
  if (status === 0) replace(dist, fresh, old);
  for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
  if (status !== 0) process.exit(status);
}

function replace(dist, fresh, old) {
  for (;;) {
    try {
      moveAway(dist, old);
      renameSync(fresh, dist);
      return;
    } catch (error) {
      if (error.code !== 'ENOTEMPTY') throw error; // another build was faster: its result is the old one now
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

if (process.argv[1] === import.meta.filename) build();
