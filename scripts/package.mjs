/**
 * `npm run package -- [--fast] [--out FOLDER] [amd64] [arm64]`: the Debian packages and OCI images, in the folder `packages`; without names
 * for both processors. `--fast` compresses less. The same commit gives the same files, while Debian does not change.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { PACKAGE_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { makeDeb } from './package/deb.mjs';
import { makeImage } from './package/image.mjs';
import { PROCESSORS } from './package/single-executable.mjs';
import { root } from './run.mjs';

const { values: given, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    fast: { type: 'boolean', default: false },
    out: { type: 'string', default: join(root, 'packages') },
  },
});
const architectures = Object.values(PROCESSORS).map(({ debian }) => debian);
const unknown = wanted.find((name) => !architectures.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`no package for ${unknown}: there are ${architectures.join(', ')}\n`);
  process.exit(2);
}

ensurePackages();
ensurePrograms(PACKAGE_PROGRAMS);
await build();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const [cpu, { debian }] of Object.entries(PROCESSORS))
  if (wanted.length === 0 || wanted.includes(debian))
    process.stdout.write(`${(await make(cpu, debian)).join('\n')}\n`);

async function make(cpu, architecture) {
  const work = mkdtempSync(join(tmpdir(), 'teredo-package-'));
  try {
    const [date, out] = [dateOfSource(), resolve(given.out)];
    const deb = await makeDeb({ cpu, version, date, out, work, isFast: given.fast });
    return [deb, makeImage({ deb, architecture, version, date, out, work })];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** In seconds since 1970: of the commit, unless SOURCE_DATE_EPOCH says otherwise. */
function dateOfSource() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return Number(given);
  const { stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  return Number(stdout.trim());
}
