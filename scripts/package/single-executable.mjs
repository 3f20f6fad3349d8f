/**
 * The program as one executable that needs no Node.js, with the files that the system has to load from disk beside it. The program finds
 * them by its own place, so the folder may lie anywhere.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockedFolder, nodeFolder } from '../npm-files.mjs';
import { bin, mustRun, root, runQuietly } from '../run.mjs';

const NODE_VERSION = '24.21.0';
/** Of Node.js: it marks the place for the program. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
/** The processors, with Debian's name and the program that strips executables for it. */
export const PROCESSORS = {
  x64: { debian: 'amd64', strip: 'x86_64-linux-gnu-strip' },
  arm64: { debian: 'arm64', strip: 'aarch64-linux-gnu-strip' },
};

/** `import.meta` in the bundle: as if it were still in dist/, beside package.json and bpf/. */
const BANNER = `
const __folder = require('node:path').dirname(process.execPath);
const __dirnameOfBundle = __folder + '/dist/cli/program';
const __urlOfBundle = require('node:url').pathToFileURL(__dirnameOfBundle + '/main.js').href;
process.resourcesPath = __folder; // koffi looks there for its module
`;

/** Makes the executable, named `teredo`, and the files beside it. The program has to be built. */
export async function makeSingleExecutable(cpu, folder, work) {
  const script = join(work, 'teredo.cjs');
  await bundle(script);
  for (const name of ['server-worker.js', 'relay-worker.js', 'client-worker.js'])
    await bundleThread(join('dist', 'runtime', 'workers', name), folder);
  const node = nodeFolder(cpu, NODE_VERSION);
  const program = join(folder, 'teredo');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(node, 'bin', 'node'), program);
  chmodSync(program, 0o755);
  mustRun(PROCESSORS[cpu].strip, [program]); // before the injection: later it would save nothing
  inject(program, preparedBlob(script, work));
  copyBeside(cpu, folder);
  return { licenceOfNode: join(node, 'LICENSE') };
}

async function bundle(file) {
  const { rolldown } = await import('rolldown');
  const whole = await rolldown({
    input: join(root, 'dist', 'cli', 'main.js'),
    platform: 'node',
    transform: {
      define: { 'import.meta.url': '__urlOfBundle', 'import.meta.dirname': '__dirnameOfBundle' },
    },
  });
  await whole.write({ file, format: 'cjs', banner: BANNER, codeSplitting: false });
  await whole.close();
}

/** A module of a role's workers. A thread cannot start from within the executable. */
async function bundleThread(module, folder) {
  const file = join(folder, module);
  const { rolldown } = await import('rolldown');
  const whole = await rolldown({
    input: join(root, module),
    platform: 'node',
  });
  const banner =
    "process.resourcesPath = process.execPath.replace(/[/][^/]*$/, ''); // koffi looks there for its module";
  await whole.write({ file, format: 'esm', banner, codeSplitting: false });
  await whole.close();
  chmodSync(file, 0o644);
}

/** The same for all processors: it has no code of a processor. */
function preparedBlob(script, work) {
  const config = join(work, 'sea.json');
  const blob = join(work, 'sea.blob');
  writeFileSync(
    config,
    JSON.stringify({ main: script, output: blob, disableExperimentalSEAWarning: true, useCodeCache: false }),
  );
  const builder = join(nodeFolder('x64', NODE_VERSION), 'bin', 'node');
  runQuietly(builder, ['--experimental-sea-config', config]);
  return blob;
}

function inject(program, blob) {
  const args = [program, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', FUSE];
  runQuietly(bin('postject'), args);
}

function copyBeside(cpu, folder) {
  const triplet = `linux_${cpu}`;
  const koffi = lockedFolder(`@koromix/koffi-linux-${cpu}`, [`${triplet}/koffi.node`]);
  copyInto(join(koffi, triplet, 'koffi.node'), join(folder, 'koffi', triplet), 'koffi.node');
  for (const name of ['teredo.bpf.o', 'server.bpf.o', 'steer.bpf.o', 'share.bpf.o'])
    copyInto(join(root, 'bpf', name), join(folder, 'bpf'), name);
  copyInto(join(root, 'package.json'), folder, 'package.json');
  copyInto(join(root, 'dist', 'dashboard.html'), join(folder, 'dist'), 'dashboard.html');
}

function copyInto(file, folder, name) {
  mkdirSync(folder, { recursive: true });
  copyFileSync(file, join(folder, name));
  chmodSync(join(folder, name), 0o644);
}
