import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { faultOfFolder, readTrusted, removeTrusted, replaceTrusted } from '../trusted-files.ts';
import type { MadeMapping } from './protocol.ts';

/** Beyond these the oldest is forgotten: its gateway is never met again, perhaps. */
const KEPT_MOST = 8;

/**
 * What would have to be released, kept until it is: RFC 6081 section 5.3.1 has it persist. Where it cannot be kept, or the file is in use
 * by another process, the mapping is used all the same. A file in a folder of another account is neither written nor believed.
 */
export class MappingFile {
  private readonly path: string | undefined;

  constructor(path: string | undefined) {
    this.path = path;
  }

  /** What was left, by a process that is no more or by this one. The oldest first. */
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

  /** From now on it is this process's. */
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
      // a file system that is not to be written to, or a folder of another account
    }
  }

  /** Undefined: it is another process's. */
  private load(): readonly MadeMapping[] | undefined {
    if (this.path === undefined) return [];
    const text = readTrusted(this.path);
    if (text === undefined) return []; // none was left
    try {
      return keptIn(JSON.parse(text));
    } catch {
      return []; // no JSON
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
