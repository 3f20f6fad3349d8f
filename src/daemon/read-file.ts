import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { faultOfFile } from '../io/trusted-files.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { readableForUnit } from './unit-account.ts';

/** More than any file of this program holds. The limit also ends the reading of a device, which has no end. */
const MOST_BYTES = 4 << 20;
const READABLE_BY_ALL = 0o004;

/**
 * The text of a file that an operator has written for a daemon. Throws a CommandFailure if the file cannot be read, or if another account could have written it.
 * `onReadableByAll` is called if all users of the host can read the file. `content`: for the message about a file that is too long.
 */
export function readOperatorFile(
  file: string,
  content: string,
  onReadableByAll: () => void = () => {},
): string {
  let bytes: Buffer;
  try {
    const fault = faultOfFile(file, invoker());
    if (fault !== undefined) throw new Error(fault);
    bytes = readAtMost(file, MOST_BYTES + 1, onReadableByAll);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EACCES')
      throw new CommandFailure(
        EXIT.NOT_PERMITTED,
        `not permitted to read ${file}; for the systemd unit: ${readableForUnit(file)}`,
      );
    const why = code === 'ENOENT' ? 'there is no such file' : message;
    throw new CommandFailure(EXIT.USAGE, `cannot read ${file}: ${why}`);
  }
  if (bytes.length <= MOST_BYTES) return bytes.toString('utf8');
  throw new CommandFailure(EXIT.USAGE, `${file} is longer than ${MOST_BYTES >> 20} MB: it is no ${content}`);
}

/** The user that became root by sudo: the file may belong to it. */
function invoker(): number | undefined {
  const uid = process.env['SUDO_UID'];
  return process.getuid?.() === 0 && uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined;
}

function readAtMost(file: string, most: number, onReadableByAll: () => void): Buffer {
  const bytes = Buffer.alloc(most);
  const descriptor = openSync(file, 'r');
  try {
    const found = fstatSync(descriptor);
    if (found.isFile() && (found.mode & READABLE_BY_ALL) !== 0) onReadableByAll();
    let length = 0;
    while (length < most) {
      const read = readSync(descriptor, bytes, length, most - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
