import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/teredo', import.meta.url));

export const NOBODY = 65_534;

/** The words that run the program as the account nobody. */
export const PROGRAM_AS_NOBODY = [
  'setpriv',
  ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--'],
  ...[process.execPath, PROGRAM],
] as const;

/** For tests that run the program so: they are skipped without root, and where the account may not enter a folder above the checkout or Node.js. */
export const asNobody = { skip: !canRun() };

function canRun(): boolean {
  const [command, ...words] = PROGRAM_AS_NOBODY;
  return process.getuid?.() === 0 && spawnSync(command, [...words, '--version']).status === 0;
}

/** Folders of the system that every account may enter, and that the systemd unit sees. TMPDIR may be closed. */
const OPEN = ['/dev/shm', '/run', '/var/lib'];

/** A new folder that every account may enter. */
export function openFolder(): string {
  for (const above of OPEN) {
    try {
      const folder = mkdtempSync(`${above}/teredo-test-`);
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      chmodSync(folder, 0o755);
      return folder;
    } catch {
      // the next one
    }
  }
  throw new Error(`no folder can be made in ${OPEN.join(', ')}`);
}
