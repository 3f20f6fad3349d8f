/**
 *  `npm run bpf`: compiles the kernel path's programs into the committed objects. With `--check` it only compares: the committed objects
 *  have to equal the result. They were made with Debian 12's clang 14; another clang may make different, equally good code.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BPF_PROGRAMS, ensurePrograms } from './ensure.mjs';
import { mustRun, root } from './run.mjs';

const NAMES = ['teredo', 'server', 'steer', 'share'];
const MACHINE = { x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch;
/**
 * No -mcpu=v3 (instructions of 32 bits), and no two objects in the same place on the stack: the verifiers of some kernels (6.1) refuse to
 * users without CAP_PERFMON a write of less than eight octets over a place where another number was. The objects contain no path of the
 * build machine.
 */
const FLAGS = [
  ...[
    '-O2',
    '-g',
    '-target',
    'bpf',
    '-mcpu=v2',
    '-mllvm',
    '-no-stack-slot-sharing',
    '-mllvm',
    '-no-stack-coloring',
  ],
  ...['-fdebug-compilation-dir=.', '-Wall', '-Werror'],
];

ensurePrograms(BPF_PROGRAMS);
const folder = mkdtempSync(join(tmpdir(), 'teredo-bpf-'));
try {
  for (const name of NAMES) make(name);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function make(name) {
  const [source, object] = [`bpf/${name}.bpf.c`, join(root, 'bpf', `${name}.bpf.o`)];
  const [compiled, linked] = [join(folder, `${name}.compiled.o`), join(folder, `${name}.linked.o`)];
  mustRun('clang', [...FLAGS, `-I/usr/include/${MACHINE}-linux-gnu`, '-c', source, '-o', compiled]);
  // Removes debug data and keeps the types that describe the maps.
  mustRun('bpftool', ['gen', 'object', linked, compiled], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const made = readFileSync(linked);
  if (!process.argv.includes('--check')) writeFileSync(object, made);
  else if (!made.equals(readFileSync(object))) {
    process.stderr.write(`${object} does not match ${source}: run "npm run bpf", and commit it\n`);
    process.exitCode = 1;
  }
}
