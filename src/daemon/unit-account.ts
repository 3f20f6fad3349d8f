/** The account of the systemd unit (packaging/systemd): it has to read the files of a daemon, which root has written. */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { inShell } from './in-shell.ts';

export const UNIT_ACCOUNT = 'teredo';
/** Where a file is found by every unit. */
const PLACE = '/etc/teredo';
/** The unit has folders of its own in their place (PrivateTmp=), or sees them empty (ProtectHome=). */
const HIDDEN = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** The command that lets the unit's account, and no other, read a file. */
export function readableForUnit(file: string): string {
  const quoted = inShell(file);
  return `chown root:${UNIT_ACCOUNT} ${quoted} && chmod 640 ${quoted}`;
}

/** The folder above a file that the unit does not see; undefined: there is none. */
export function hiddenFromUnit(file: string): string | undefined {
  const path = realPathOf(file);
  return HIDDEN.find((folder) => path.startsWith(`${folder}/`));
}

/** Advice for a file in a folder that the unit does not see, or that its account may not enter. */
export const MOVE_FOR_UNIT = `move the file to ${PLACE}`;

/** What keeps the unit from reading a file, with advice. */
export interface Obstacle {
  readonly file: string;
  readonly reason: string;
}

/** The files that the unit cannot read. Only root can find that out; an account that does not exist reads none. */
export function obstaclesOf(account: string, files: readonly string[]): Obstacle[] {
  if (process.getuid?.() !== 0) return [];
  const [user, group] = ['-u', '-g'].map((id) => answerOf('id', [id, account]));
  if (!user || !group) return [];
  const identity = ['--reuid', user, '--regid', group, '--init-groups', '--'];
  const may = (right: 'r' | 'x', path: string): boolean =>
    answerOf('setpriv', [...identity, 'sh', '-c', `test -${right} "$0" || echo no`, path]) !== 'no';
  return files.filter(existsSync).flatMap((file) => {
    const reason = reasonAgainst(file, may);
    return reason === undefined ? [] : [{ file, reason }];
  });
}

function reasonAgainst(file: string, may: (right: 'r' | 'x', path: string) => boolean): string | undefined {
  if (!isAbsolute(file)) return `it looks for it in /, its folder: give the whole path, ${resolve(file)}`;
  const hidden = hiddenFromUnit(file);
  if (hidden !== undefined) return `it sees no files of ${hidden}: ${MOVE_FOR_UNIT}`;
  if (may('r', file)) return undefined;
  const closed = foldersAbove(resolve(file)).find((folder) => !may('x', folder));
  return closed === undefined ? readableForUnit(file) : `it may not enter ${closed}: ${MOVE_FOR_UNIT}`;
}

/** The highest first. */
export function foldersAbove(path: string): string[] {
  const above = dirname(path);
  return above === path ? [] : [...foldersAbove(above), above];
}

function realPathOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return resolve(file); // it is not there, or may not be looked at
  }
}

/** Undefined where the program is missing or fails. */
function answerOf(command: string, args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}
