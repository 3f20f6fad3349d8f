import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { faultOfFolder } from '../io/trusted-files.ts';
import { faultOfName } from '../runtime/settings/rules.ts';

const WRITABLE_BY_ALL = 0o002;
const WRITABLE_BY_OTHERS = 0o022;

/** Of root's daemons. The units in packaging/ give the first one to an account of their own: root's daemons then use the second. */
const ROOTS = ['/run/teredo', '/run/teredo-root'] as const;

/**
 * Where the control sockets live: /run/teredo for root, else the user's own runtime directory. The file system is shared by
 * network namespaces, so a daemon in one is reached from any. A daemon of root's does not use a folder of another account.
 */
export function controlDirectory(): string {
  const wanted = wantedDirectory();
  return process.getuid?.() === 0 && isForeign(wanted) ? ROOTS[1] : wanted;
}

/** Why a daemon of this user does not use the folder that is its own by rule or choice; undefined where it does. */
export function whyElsewhere(): string | undefined {
  const wanted = wantedDirectory();
  return controlDirectory() === wanted ? undefined : (faultOfFolder(wanted) ?? `${wanted} cannot be used`);
}

function wantedDirectory(): string {
  if (process.env['TEREDO_RUNTIME_DIR'] !== undefined) return process.env['TEREDO_RUNTIME_DIR'];
  if (process.getuid?.() === 0) return ROOTS[0];
  const runtime = process.env['XDG_RUNTIME_DIR'];
  return runtime === undefined ? `/tmp/teredo-${process.getuid?.()}` : join(runtime, 'teredo');
}

function isForeign(directory: string): boolean {
  try {
    return faultOfFolder(directory) !== undefined;
  } catch {
    return false; // its use will give the reason
  }
}

/** The directories in which `teredo status` looks: all users may see root's daemons. */
export function searchDirectories(): string[] {
  return [...new Set([wantedDirectory(), controlDirectory(), ...ROOTS])];
}

export function controlPath(directory: string, name: string): string {
  return join(directory, `${name}.sock`);
}

/** Whether the user has chosen the folder: other files may be in it. */
export function isChosen(directory: string): boolean {
  return directory === process.env['TEREDO_RUNTIME_DIR'];
}

/** Whether it had to be made. Throws where it cannot be made, or another account could put files into it: every user can make a folder in /tmp. */
export function makeControlDirectory(directory: string): boolean {
  refuseForeign(directory);
  const made = makeFolder(directory);
  refuseForeign(directory);
  return made;
}

/** Whether it had to be made. With `recursive`, Node.js says ENOENT for every refusal, such as that of a read-only file system. */
function makeFolder(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o755 });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
    return mkdirSync(directory, { recursive: true, mode: 0o755 }) !== undefined;
  }
}

function refuseForeign(directory: string): void {
  const fault = faultOfFolder(directory);
  if (fault === undefined) return;
  // Root's folder, and one that was chosen, do not depend on it.
  const hasRuntime = process.getuid?.() !== 0 && process.env['TEREDO_RUNTIME_DIR'] === undefined;
  throw new Error(hasRuntime ? `${fault}: set XDG_RUNTIME_DIR` : fault);
}

/** A folder, for a search for daemons. */
export interface FoundSockets {
  /** Names of the control sockets, the dead included. */
  readonly names: readonly string[];
  /** Why there is nothing to be seen of it; absent where it can be looked at, or is not there. */
  readonly fault?: 'unreadable' | 'foreign';
}

/** The control sockets in a folder. */
export function controlSockets(directory: string): FoundSockets {
  try {
    if (!isMeantForSockets(directory)) return { names: [], fault: 'foreign' };
    const names = readdirSync(directory, { withFileTypes: true })
      .filter((file) => file.isSocket() && file.name.endsWith('.sock'))
      .map(({ name }) => name.slice(0, -'.sock'.length))
      .filter((name) => faultOfName(name) === undefined) // the folder may be another account's
      .sort();
    return { names };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? { names: [], fault: 'unreadable' } : { names: [] };
  }
}

/**
 * Whether daemons are asked that have their sockets there. Where every user could have made the folder, as in /tmp, it has to belong to this user or
 * root, and be writable by no other; elsewhere the owner of the folder above has placed it, or the user has chosen it.
 */
function isMeantForSockets(directory: string): boolean {
  if (isChosen(directory)) return true;
  if ((lstatSync(dirname(directory)).mode & WRITABLE_BY_ALL) === 0) return true;
  const { uid, mode } = lstatSync(directory);
  return (uid === process.getuid?.() || uid === 0) && (mode & WRITABLE_BY_OTHERS) === 0;
}
