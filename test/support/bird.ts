import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../src/lab/index.ts';

const FOLDER = fileURLToPath(new URL('../../packaging/bird/', import.meta.url));

/** BIRD 2 on a host of a lab, with a file of packaging/bird/. */
export class Bird implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), 'teredo-bird-'));

  /** `values`: of constants in the file, and of the router id. `change`: another change of its text. */
  constructor(
    host: Namespace,
    file: string,
    values: Readonly<Record<string, string>> = {},
    change: (text: string) => string = (text) => text,
  ) {
    const config = join(this.folder, 'bird.conf');
    writeFileSync(config, change(withValues(readFileSync(FOLDER + file, 'utf8'), values)));
    // With its log on standard error. Without a fixed priority it takes a busy machine for a silent link.
    const inFolder = (name: string): string => join(this.folder, name);
    const files = ['-c', config, '-s', inFolder('control'), '-P', inFolder('pid')];
    host.spawn('chrt', ['--rr', '10', 'bird', '-f', '-d', ...files]);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function withValues(text: string, values: Readonly<Record<string, string>>): string {
  let result = text;
  for (const [name, value] of Object.entries(values)) {
    const line =
      name === 'router id' ? /^router id .*;$/m : new RegExp(`(?<=^define ${name} = ).*(?=;$)`, 'm');
    if (!line.test(result)) throw new Error(`no ${name} in the file`);
    result = result.replace(line, name === 'router id' ? `router id ${value};` : value);
  }
  return result;
}
