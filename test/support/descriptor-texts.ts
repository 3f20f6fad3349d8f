// The texts of /proc/PID/fdinfo for the descriptors of a process.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The text of each descriptor that the process holds.
 *
 * The process opens and closes descriptors while they are read. A descriptor that is closed between the listing and
 * its reading is left out.
 */
export function descriptorTexts(pid: number): string[] {
  const folder = `/proc/${pid}/fdinfo`;
  return readdirSync(folder).flatMap((file) => textOf(join(folder, file)));
}

function textOf(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8')];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
