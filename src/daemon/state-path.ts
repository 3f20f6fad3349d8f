import { join } from 'node:path';

/**
 * Where a daemon keeps what has to outlive it: systemd's choice, else /var/lib/teredo for root, else the user's own folder. Undefined
 * where there is none of these.
 */
export function stateDirectory(): string | undefined {
  const {
    STATE_DIRECTORY: given,
    TEREDO_RUNTIME_DIR: chosen,
    XDG_STATE_HOME: state,
    HOME: home,
  } = process.env;
  const found = given?.split(':')[0] || chosen;
  if (found !== undefined) return found;
  if (process.getuid?.() === 0) return '/var/lib/teredo';
  if (state !== undefined) return join(state, 'teredo');
  return home === undefined ? undefined : join(home, '.local/state/teredo');
}
