/**
 * `npm run package -- [--fast] [--out FOLDER] [amd64] [arm64]`: the Debian packages and OCI images, in the folder `packages`; without names
 * for both processors. `--fast` compresses less. The same commit gives the same files, while Debian does not change.
 */
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build } from './build.mjs';
import { PACKAGE_PROGRAMS, ensurePackages, ensurePrograms } from './ensure.mjs';
import { makeDeb } from './package/deb.mjs';
import { makeImage } from './package/image.mjs';
import { readRequest } from './package/request.mjs';
import { PROCESSORS } from './package/single-executable.mjs';
import { root } from './run.mjs';

const { cpus, isFast, out, date } = readRequest(process.argv.slice(2));
ensurePackages();
if (!ensurePrograms(PACKAGE_PROGRAMS)) process.exit(1);
await build();
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
for (const cpu of cpus) await make(cpu);

async function make(cpu) {
  const work = mkdtempSync(join(tmpdir(), 'teredo-package-'));
  const clean = () => rmSync(work, { recursive: true, force: true });
  process.on('exit', clean); // a program that fails ends this process
  const deb = await makeDeb({ cpu, version, date, work, isFast });
  const image = makeImage({ deb, architecture: PROCESSORS[cpu].debian, version, date, work });
  for (const file of [deb, image]) process.stdout.write(`${publish(file)}\n`);
  clean();
}

/** The folder of results has whole files only. */
function publish(file) {
  const place = join(out, basename(file));
  copyFileSync(file, `${place}.part`);
  renameSync(`${place}.part`, place);
  return place;
}
