import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where the control sockets live: /run/teredo for root, else the user's own runtime directory. The file system is shared by
 * network namespaces, so a daemon in one is reached from any.
 */
export function controlDirectory(): string {
  if (process.env['TEREDO_RUNTIME_DIR'] !== undefined) return process.env['TEREDO_RUNTIME_DIR'];
  if (process.getuid?.() === 0) return '/run/teredo';
  return join(process.env['XDG_RUNTIME_DIR'] ?? `/tmp/teredo-${process.getuid?.()}`, 'teredo');
}

/** The directories in which `teredo status` looks: root's daemons are everybody's to see. */
export function searchDirectories(): string[] {
  return [...new Set([controlDirectory(), '/run/teredo'])];
}

export function controlPath(directory: string, name: string): string {
  return join(directory, `${name}.sock`);
}

export function makeControlDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
}

/** Names of the control sockets in `directory`, the dead included; empty where there is no such directory. */
export function controlNames(directory: string): string[] {
  try {
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
