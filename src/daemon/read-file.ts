import { isUtf8 } from 'node:buffer';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { faultOfFile } from '../io/trusted-files.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { failureToRead } from './file-failures.ts';

/** A kind of file, for the message about one that is too long. */
export interface FileKind {
  readonly name: string;
  /** More than any such file has. The limit also ends the reading of a device, which has no end. */
  readonly mostKilobytes: number;
}

const READABLE_BY_ALL = 0o004;
/** How long the writer of a pipe may take: a daemon does nothing else meanwhile. */
const PIPE_MS = 2_000;
const PIPE_AGAIN_MS = 10;
const LINE_FEED = 0x0a;

/**
 * The text of a file that an operator has written for a daemon. Throws a CommandFailure if the file cannot be read, or if another account could have
 * written it. `onReadableByAll` is called if all users of the host can read the file.
 */
export function readOperatorFile(
  file: string,
  { name, mostKilobytes }: FileKind,
  onReadableByAll: () => void = () => {},
): string {
  const most = mostKilobytes << 10;
  let bytes: Buffer;
  try {
    const fault = faultOfFile(file, invoker());
    if (fault !== undefined) throw new Error(fault);
    bytes = readAtMost(file, most + 1, onReadableByAll);
  } catch (error) {
    throw failureToRead(file, error as NodeJS.ErrnoException);
  }
  if (bytes.length > most)
    throw new CommandFailure(
      EXIT.USAGE,
      `${file} is longer than ${inWords(mostKilobytes)}: it is no ${name}`,
    );
  const line = lineOfOtherEncoding(bytes);
  if (line === undefined) return bytes.toString('utf8');
  throw new CommandFailure(EXIT.USAGE, `${file}:${line}: the text is not in UTF-8: save the file in UTF-8`);
}

function inWords(kilobytes: number): string {
  return kilobytes < 1_024 ? `${kilobytes} kB` : `${kilobytes >> 10} MB`;
}

/** The user that became root by sudo: the file may belong to it. */
function invoker(): number | undefined {
  const uid = process.env['SUDO_UID'];
  return process.getuid?.() === 0 && uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined;
}

function readAtMost(file: string, most: number, onReadableByAll: () => void): Buffer {
  const bytes = Buffer.alloc(most);
  // The opening of a FIFO would wait for a writer.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    if (found.isFile() && (found.mode & READABLE_BY_ALL) !== 0) onReadableByAll();
    const length = readInto(bytes, descriptor);
    if (length === 0 && found.isFIFO()) throw new Error('it is a FIFO, and no process writes into it');
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** How many octets there are, up to the length of the buffer. */
function readInto(bytes: Buffer, descriptor: number): number {
  const deadline = performance.now() + PIPE_MS;
  let length = 0;
  while (length < bytes.length) {
    try {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) throw error;
      pause(PIPE_AGAIN_MS);
    }
  }
  return length;
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The first line that is not in UTF-8. */
function lineOfOtherEncoding(bytes: Buffer): number | undefined {
  if (isUtf8(bytes)) return undefined;
  let [line, start] = [1, 0];
  for (;;) {
    const end = bytes.indexOf(LINE_FEED, start);
    if (end === -1 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
    line++;
  }
}
