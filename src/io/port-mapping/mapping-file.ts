import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MadeMapping } from './protocol.ts';

/**
 * What would have to be released, kept while there is a mapping: RFC 6081 section 5.3.1 has it persist. Where it cannot be kept, or the
 * file is in use by another process, the mapping is used all the same.
 */
export class MappingFile {
  private readonly path: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** What a process has left that is no more. */
  read(): MadeMapping | undefined {
    const found = this.load();
    return found === undefined || isRunning(found.pid) ? undefined : found.made;
  }

  write(made: MadeMapping): void {
    const found = this.load();
    if (this.path === undefined || (found !== undefined && isRunning(found.pid))) return;
    try {
      mkdirSync(dirname(this.path), { recursive: true, mode: 0o755 });
      writeFileSync(this.path, JSON.stringify({ ...made, pid: process.pid }), { mode: 0o600 });
    } catch {
      // a file system that is not to be written to
    }
  }

  remove(): void {
    if (this.path === undefined || this.load()?.pid !== process.pid) return;
    try {
      rmSync(this.path, { force: true });
    } catch {
      // the same
    }
  }

  private load(): Kept | undefined {
    if (this.path === undefined) return undefined;
    try {
      return kept(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch {
      return undefined; // none was left
    }
  }
}

interface Kept {
  readonly made: MadeMapping;
  readonly pid: number;
}

/** Whether another client runs: the number alone may be anybody's by now. */
function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('teredo');
  } catch {
    return false;
  }
}

function kept(value: unknown): Kept | undefined {
  const { pid } = value as Record<string, unknown>;
  const made = madeMapping(value);
  return made === undefined || !Number.isInteger(pid) ? undefined : { made, pid: Number(pid) };
}

function madeMapping(value: unknown): MadeMapping | undefined {
  const { protocol, port, nonce } = value as Record<string, unknown>;
  if (protocol !== 'pcp' && protocol !== 'nat-pmp' && protocol !== 'upnp') return undefined;
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65535) return undefined;
  return { protocol, port: Number(port), nonce: typeof nonce === 'string' ? nonce : undefined };
}
