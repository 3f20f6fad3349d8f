/** Why a file of the operator cannot be read, in words and with an exit status. */
import { accessSync, constants } from 'node:fs';
import { resolve } from 'node:path';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { MOVE_FOR_UNIT, foldersAbove, hiddenFromUnit, readableForUnit } from './unit-account.ts';

/** The operator has given a path that no file can have, or another kind of file. */
const WRONG_PATHS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  ELOOP: 'it has too many links in its path',
  ENAMETOOLONG: 'the path is too long',
  ENXIO: 'it is a socket or a device that is not there',
  EAGAIN: 'no process has written the whole of it in time',
};

/** A failure of the system, such as too many open files, is no fault of the operator: it may pass. */
export function failureToRead(file: string, { code = '', message }: NodeJS.ErrnoException): CommandFailure {
  if (code === 'EACCES' || code === 'EPERM')
    return new CommandFailure(EXIT.NOT_PERMITTED, notPermitted(file));
  const wrong = WRONG_PATHS[code];
  if (wrong !== undefined) return new CommandFailure(EXIT.USAGE, `cannot read ${file}: ${wrong}`);
  return new CommandFailure(code === '' ? EXIT.USAGE : EXIT.FAILED, `cannot read ${file}: ${message}`);
}

function notPermitted(file: string): string {
  const folder = closedFolder(file);
  const right = folder === undefined ? 'the right to read it' : `the right to enter ${folder} (x)`;
  const isMoved = folder !== undefined || hiddenFromUnit(file) !== undefined;
  const unit = isMoved ? MOVE_FOR_UNIT : readableForUnit(file);
  return `not permitted to read ${file}: uid ${process.geteuid?.()} needs ${right}; for the systemd unit: ${unit}`;
}

/** The highest folder above the file that this user may not enter. */
function closedFolder(file: string): string | undefined {
  const folders = foldersAbove(resolve(file));
  return folders.find((folder) => !mayEnter(folder));
}

function mayEnter(folder: string): boolean {
  try {
    accessSync(folder, constants.X_OK);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EACCES';
  }
}
