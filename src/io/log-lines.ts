import { writeSync } from 'node:fs';
import { isWritable } from '../linux/writable.ts';

/** PIPE_BUF: a pipe that is writable takes so many octets at once. */
const MOST_OCTETS = 4_096;

/**
 * The lines of a log. A reader that has stopped would hold up the whole program once the pipe or the terminal is full: the lines that do
 * not fit are lost, and the next one that fits is preceded by their number. Nothing is thrown: there is nobody to tell.
 */
export class LogLines {
  private readonly fd: number;
  private lost = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  write(text: string): void {
    if (
      this.lost > 0 &&
      this.writeNow(`warning: ${this.lost} lines of this log are lost: its reader had stopped`)
    )
      this.lost = 0;
    if (this.lost > 0 || !this.writeNow(text)) this.lost++;
  }

  /** False where it would have to wait. */
  private writeNow(text: string): boolean {
    try {
      if (!isWritable(this.fd)) return false;
      const octets = Buffer.from(text).subarray(0, MOST_OCTETS - 1);
      writeSync(this.fd, Buffer.concat([octets, Buffer.from('\n')]));
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EAGAIN';
    }
    return true;
  }
}
