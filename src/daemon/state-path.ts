import { join } from 'node:path';
import { faultOfFolder } from '../io/trusted-files.ts';

/** Of root's daemons. The unit of the client gives the first one to an account of its own: root's daemons then use the second. */
const ROOTS = ['/var/lib/teredo', '/var/lib/teredo-root'] as const;

/**
 * Where a daemon keeps files that have to outlive it: systemd's choice, else /var/lib/teredo for root, else the user's own folder. Undefined
 * where there is none of these. A daemon of root's does not use a folder of another account.
 */
export function stateDirectory(): string | undefined {
  const wanted = wantedDirectory();
  return wanted !== undefined && process.getuid?.() === 0 && isForeign(wanted) ? ROOTS[1] : wanted;
}

/** Why a daemon of root does not use the folder that is its own by rule or choice; undefined where it does. */
export function whyStateElsewhere(): string | undefined {
  const wanted = wantedDirectory();
  return wanted === undefined || stateDirectory() === wanted
    ? undefined
    : (faultOfFolder(wanted) ?? `${wanted} cannot be used`);
}

function wantedDirectory(): string | undefined {
  const {
    STATE_DIRECTORY: given,
    TEREDO_RUNTIME_DIR: chosen,
    XDG_STATE_HOME: state,
    HOME: home,
  } = process.env;
  const found = given?.split(':')[0] || chosen;
  if (found !== undefined) return found;
  if (process.getuid?.() === 0) return ROOTS[0];
  if (state !== undefined) return join(state, 'teredo');
  return home === undefined ? undefined : join(home, '.local/state/teredo');
}

function isForeign(directory: string): boolean {
  try {
    return faultOfFolder(directory) !== undefined;
  } catch {
    return false; // nothing is kept there
  }
}
