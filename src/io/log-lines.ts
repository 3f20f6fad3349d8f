import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isWritable } from '../linux/writable.ts';

/** PIPE_BUF: a pipe that is writable takes so many octets at once. */
const MOST_OCTETS = 4_096;
const NOTHING = new Uint8Array(0);
const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * The lines of a log. A reader that has stopped would hold up the whole program once the pipe or the terminal is full: the lines that do
 * not fit are lost, and the next one that fits is preceded by their number. Nothing is thrown: there is nobody to tell.
 */
export class LogLines {
  private readonly fd: number;
  private own: number | undefined;
  /** The end of a line of which the beginning has been written. */
  private rest: Uint8Array = NOTHING;
  private lost = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  write(text: string): void {
    if (!this.writeRest() || !this.tellOfLost() || !this.put(lineOf(text))) this.lost++;
  }

  /** Whether all of what was begun is written. */
  private writeRest(): boolean {
    return this.rest.length === 0 || (this.put(this.rest) && this.rest.length === 0);
  }

  private tellOfLost(): boolean {
    if (this.lost === 0) return true;
    if (!this.put(lineOf(`warning: ${this.lost} lines of this log are lost: its reader had stopped`)))
      return false;
    this.lost = 0;
    return this.rest.length === 0;
  }

  /** False where nothing of it can be written without waiting. What does not fit is the rest. */
  private put(octets: Uint8Array): boolean {
    try {
      this.own ??= openAgain(this.fd);
      if (this.own === this.fd && !isWritable(this.fd)) return false;
      this.rest = octets.subarray(writeSync(this.own, octets));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
      this.rest = NOTHING;
    }
    return true;
  }
}

function lineOf(text: string): Uint8Array {
  return Buffer.concat([Buffer.from(text).subarray(0, MOST_OCTETS - 1), Buffer.from('\n')]);
}

/**
 * The same pipe or terminal, of which no write waits; a terminal that is writable may have room for one octet only. The flag is not set at the descriptor
 * itself: other processes share that. Sockets, and pipes that may not be opened, are asked for room before each line.
 */
function openAgain(fd: number): number {
  try {
    const kind = fstatSync(fd);
    if (!kind.isFIFO() && !kind.isCharacterDevice()) return fd;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return fd;
  }
}
