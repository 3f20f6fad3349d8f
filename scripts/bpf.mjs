/**
 * `npm run bpf`: compiles the kernel path's programs into the object that is committed; with `--check`, only compares: what is
 * committed has to be what the source makes. Made with Debian 12's clang 14; another clang may make other, equally good code.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BPF_PROGRAMS, ensurePrograms } from './ensure.mjs';
import { mustRun, root } from './run.mjs';

const SOURCE = 'bpf/teredo.bpf.c';
const OBJECT = join(root, 'bpf', 'teredo.bpf.o');
const MACHINE = { x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch;
/** Instructions of v3 have 32-bit atomics; no path of this machine gets into the object. */
const FLAGS = ['-O2', '-g', '-mcpu=v3', '-target', 'bpf', '-fdebug-compilation-dir=.', '-Wall', '-Werror'];

ensurePrograms(BPF_PROGRAMS);
const folder = mkdtempSync(join(tmpdir(), 'teredo-bpf-'));
try {
  const [compiled, linked] = [join(folder, 'compiled.o'), join(folder, 'linked.o')];
  mustRun('clang', [...FLAGS, `-I/usr/include/${MACHINE}-linux-gnu`, '-c', SOURCE, '-o', compiled]);
  // Leaves out what is for debuggers and keeps the types that the maps are described with.
  mustRun('bpftool', ['gen', 'object', linked, compiled], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const made = readFileSync(linked);
  if (!process.argv.includes('--check')) writeFileSync(OBJECT, made);
  else if (!made.equals(readFileSync(OBJECT))) {
    process.stderr.write(`${OBJECT} is not what ${SOURCE} makes: run "npm run bpf", and commit it\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
