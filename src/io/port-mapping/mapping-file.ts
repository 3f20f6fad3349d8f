import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { faultOfFolder, readTrusted, removeTrusted, replaceTrusted } from '../trusted-files.ts';
import type { MadeMapping } from './protocol.ts';

/** The most mappings in the file. Beyond it the oldest is forgotten: its gateway may never be seen again. */
const KEPT_MOST = 8;

/**
 * Keeps the mappings that would have to be released, until they are (RFC 6081 section 5.3.1: persistent). If the file cannot be written, or
 * another process uses it, the mapping is used without it. A file in a folder of another account is neither written nor read.
 */
export class MappingFile {
  private readonly path: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** Mappings that an ended process or this one has left, the oldest first. */
  read(): readonly MadeMapping[] {
    return this.load() ?? [];
  }

  write(made: MadeMapping): void {
    const others = this.load()?.filter((one) => !isSame(one, made));
    if (others !== undefined) this.save([...others, made].slice(-KEPT_MOST));
  }

  remove(made: MadeMapping): void {
    const all = this.load();
    const others = all?.filter((one) => !isSame(one, made));
    if (others !== undefined && others.length !== all?.length) this.save(others);
  }

  /** Writes the file, which makes it this process's own. */
  private save(made: readonly MadeMapping[]): void {
    if (this.path === undefined) return;
    try {
      if (made.length === 0) {
        removeTrusted(this.path);
        return;
      }
      const folder = dirname(this.path);
      if (faultOfFolder(folder) === undefined) mkdirSync(folder, { recursive: true, mode: 0o755 });
      replaceTrusted(this.path, JSON.stringify({ pid: process.pid, began: beginningOf(process.pid), made }));
    } catch {
      // a read-only file system, or a folder of another account
    }
  }

  /** Undefined: the file belongs to another process. */
  private load(): readonly MadeMapping[] | undefined {
    if (this.path === undefined) return [];
    const text = readTrusted(this.path);
    if (text === undefined) return []; // no mapping was left
    try {
      return keptIn(JSON.parse(text));
    } catch {
      return []; // not JSON
    }
  }
}

/**
 * When a process began, in clock ticks since the machine started: together with its number this names one process, however many have that number
 * later. Undefined where there is no such process. proc(5), /proc/PID/stat, field 22
 */
function beginningOf(pid: number): string | undefined {
  try {
    // The program's name, field 2, may have spaces and brackets in it.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[22 - 3];
  } catch {
    return undefined;
  }
}

function keptIn(value: unknown): readonly MadeMapping[] | undefined {
  const { pid, began, made } = value as Record<string, unknown>;
  if (!Number.isInteger(pid) || !Array.isArray(made)) return [];
  const isAnothers = pid !== process.pid && began !== undefined && began === beginningOf(Number(pid));
  return isAnothers ? undefined : made.flatMap(madeMapping).slice(-KEPT_MOST);
}

function madeMapping(value: unknown): MadeMapping[] {
  const { protocol, port, nonce } = (value ?? {}) as Record<string, unknown>;
  if (protocol !== 'pcp' && protocol !== 'nat-pmp' && protocol !== 'upnp') return [];
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65535) return [];
  return [{ protocol, port: Number(port), nonce: typeof nonce === 'string' ? nonce : undefined }];
}

function isSame(one: MadeMapping, other: MadeMapping): boolean {
  return one.protocol === other.protocol && one.port === other.port && one.nonce === other.nonce;
}
