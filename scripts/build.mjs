/** Compiles src to dist. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, mustRun, root } from './run.mjs';

export function build() {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  mustRun(bin('tsc'), ['-p', 'tsconfig.build.json']);
}
