import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** Compiles `bench/NAME.bpf.c` to an object file that exists until disposed of. */
export class BpfObject {
  readonly path: string;
  private readonly folder: string;

  constructor(name: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'teredo-bpf-'));
    this.path = join(this.folder, `${name}.o`);
    const source = join(ROOT, 'bench', `${name}.bpf.c`);
    const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const flags = ['-O2', '-g', '-mcpu=v3', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`];
    const { status, stderr } = spawnSync('clang', [...flags, '-c', source, '-o', this.path], {
      encoding: 'utf8',
    });
    if (status === 0) return;
    this[Symbol.dispose]();
    throw new Error(stderr);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
