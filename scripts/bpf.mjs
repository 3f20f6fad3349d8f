/**
 * `npm run bpf`: compiles the kernel path's programs into the objects that are committed; with `--check`, only compares: what is
 * committed has to be what the source makes. Made with Debian 12's clang 14; another clang may make other, equally good code.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BPF_PROGRAMS, ensurePrograms } from './ensure.mjs';
import { mustRun, root } from './run.mjs';

const NAMES = ['teredo', 'server'];
const MACHINE = { x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch;
/**
 * Not v3, which has instructions of 32 bits, and nothing on the stack shares its place: the verifiers of some kernels (6.1) let no user without
 * CAP_PERFMON write less than eight octets there where another number has lain. No path of this machine gets into the object.
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
  // Leaves out what is for debuggers and keeps the types that the maps are described with.
  mustRun('bpftool', ['gen', 'object', linked, compiled], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const made = readFileSync(linked);
  if (!process.argv.includes('--check')) writeFileSync(object, made);
  else if (!made.equals(readFileSync(object))) {
    process.stderr.write(`${object} is not what ${source} makes: run "npm run bpf", and commit it\n`);
    process.exitCode = 1;
  }
}
