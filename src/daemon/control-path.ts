import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const WRITABLE_BY_ALL = 0o002;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Where the control sockets live: /run/teredo for root, else the user's own runtime directory. The file system is shared by
 * network namespaces, so a daemon in one is reached from any.
 */
export function controlDirectory(): string {
  if (process.env['TEREDO_RUNTIME_DIR'] !== undefined) return process.env['TEREDO_RUNTIME_DIR'];
  if (process.getuid?.() === 0) return '/run/teredo';
  const runtime = process.env['XDG_RUNTIME_DIR'];
  return runtime === undefined ? `/tmp/teredo-${process.getuid?.()}` : join(runtime, 'teredo');
}

/** The directories in which `teredo status` looks: root's daemons are everybody's to see. */
export function searchDirectories(): string[] {
  return [...new Set([controlDirectory(), '/run/teredo'])];
}

export function controlPath(directory: string, name: string): string {
  return join(directory, `${name}.sock`);
}

/** Whether the folder is somebody's own choice, and so perhaps not for our sockets only. */
export function isChosen(directory: string): boolean {
  return directory === process.env['TEREDO_RUNTIME_DIR'];
}

/** Whether it had to be made. Throws where it cannot be had, or is somebody else's: anybody can make a folder in /tmp. */
export function makeControlDirectory(directory: string): boolean {
  const made = mkdirSync(directory, { recursive: true, mode: 0o755 }) !== undefined;
  if (!isTrusted(directory))
    throw new Error('it belongs to somebody else, or others may write into it: set XDG_RUNTIME_DIR');
  return made;
}

/** Where anybody could have made it, as in /tmp, it has to be our own or root's, and nobody else's to write into. */
function isTrusted(directory: string): boolean {
  if (isChosen(directory)) return true;
  if ((lstatSync(dirname(directory)).mode & WRITABLE_BY_ALL) === 0) return true;
  const { uid, mode } = lstatSync(directory);
  return (uid === process.getuid?.() || uid === 0) && (mode & WRITABLE_BY_OTHERS) === 0;
}

/** Names of the control sockets in `directory`, the dead included; empty where there is no such directory, or not of ours. */
export function controlNames(directory: string): string[] {
  try {
    if (!isTrusted(directory)) return [];
    return readdirSync(directory)
      .filter((file) => file.endsWith('.sock'))
      .map((file) => file.slice(0, -'.sock'.length))
      .sort();
  } catch {
    return []; // none has ever run here, or it is not ours to read: either way there is none to be asked
  }
}

/** What may stand as a daemon's name: it becomes a file name. */
export function isControlName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name);
}
