/** The account of the systemd unit (packaging/systemd): it has to read the files of a daemon, which root has written. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

export const UNIT_ACCOUNT = 'teredo';

/** The command that lets the unit's account, and no other, read a file. */
export function readableForUnit(file: string): string {
  return `chown root:${UNIT_ACCOUNT} ${file} && chmod 640 ${file}`;
}

/** The files that an account may not read. Only root can find that out; an account that does not exist reads none. */
export function unreadableFor(account: string, files: readonly string[]): string[] {
  if (process.getuid?.() !== 0) return [];
  const [user, group] = ['-u', '-g'].map((id) => answerOf('id', [id, account]));
  if (!user || !group) return [];
  const identity = ['--reuid', user, '--regid', group, '--init-groups', '--'];
  const look = ['sh', '-c', 'test -r "$0" || echo no'];
  return files.filter(
    (file) => existsSync(file) && answerOf('setpriv', [...identity, ...look, file]) === 'no',
  );
}

/** Undefined where the program is missing or fails. */
function answerOf(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
