import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isWritable } from '../linux/writable.ts';

/** PIPE_BUF: a writable pipe takes this many octets at once. */
const MOST_OCTETS = 4_096;
const NOTHING = new Uint8Array(0);
const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

/**
 * Writes the lines of a log. A reader that has stopped would block the whole program once the pipe or the terminal is full. So lines that
 * do not fit, or that the system refuses, are lost, and the next one that fits is preceded by their number. Throws nothing.
 */
export class LogLines {
  private readonly fd: number;
  private readonly lostLine: (lost: number) => string;
  private readonly onLoss: (lost: number) => void;
  private own: number | undefined;
  /** The rest of a line whose beginning has been written. */
  private rest: Uint8Array = NOTHING;
  private lost = 0;

  /** `lostLine`: the line about so many lost ones. `onLoss`: the first of them is lost, or the line about all of them is written. */
  constructor(fd: number, lostLine: (lost: number) => string, onLoss: (lost: number) => void = () => {}) {
    this.fd = fd;
    this.lostLine = lostLine;
    this.onLoss = onLoss;
  }

  write(text: string): void {
    if (this.writeRest() && this.writeLostCount() && this.put(lineOf(text))) return;
    this.lost++;
    if (this.lost === 1) this.onLoss(1);
  }

  /** Whether everything begun is written. */
  private writeRest(): boolean {
    return this.rest.length === 0 || (this.put(this.rest) && this.rest.length === 0);
  }

  private writeLostCount(): boolean {
    if (this.lost === 0) return true;
    const { lost } = this;
    if (!this.put(lineOf(this.lostLine(lost)))) return false;
    this.lost = 0;
    this.onLoss(lost);
    return this.rest.length === 0;
  }

  /** False if nothing of it can be written without waiting. A part that does not fit is kept. */
  private put(octets: Uint8Array): boolean {
    try {
      this.own ??= openAgain(this.fd);
      if (this.own === this.fd && !isWritable(this.fd)) return false;
      this.rest = octets.subarray(writeSync(this.own, octets));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.rest = NOTHING; // the disk is full, or the reader has gone
      return false;
    }
  }
}

function lineOf(text: string): Uint8Array {
  return Buffer.concat([Buffer.from(text).subarray(0, MOST_OCTETS - 1), Buffer.from('\n')]);
}

/**
 * Opens the same pipe or terminal again, for writes that do not wait. (A writable terminal may have room for one octet only.) The flag is
 * not set on the descriptor itself, which other processes share. For a socket, or a pipe that cannot be opened again, room is checked
 * before each line.
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
