import koffi from 'koffi';
import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { takeSocketError } from './socket.ts';
import { noteSystemFailure, survive, systemErrorIn } from './system-failures.ts';

/**
 * Calls back whenever a descriptor can be read from, until closed. libuv ends a poll for good when the descriptor has an
 * error (an ICMP message on a connected socket is enough): the error is taken off and the poll begun again.
 */
export class Poll {
  private readonly fd: number;
  private readonly onReadable: () => void;
  private handle: ReturnType<typeof koffi.node.poll> | undefined;

  constructor(fd: number, onReadable: () => void) {
    this.fd = fd;
    this.onReadable = onReadable;
    this.arm();
  }

  close(): void {
    this.handle?.close();
    this.handle = undefined;
    polls.delete(this);
  }

  private arm(): void {
    polls.add(this); // the handle stops when the garbage collector takes it
    const onEvent = (status: number): void => {
      try {
        survive(() => (status === 0 ? this.onReadable() : this.recover()));
      } catch (error) {
        // Faults of the program: in here they would be swallowed.
        setImmediate(() => {
          throw error;
        });
      }
    };
    // koffi 3.3.4 calls back with (status, events); its types, made for another version, know the events only.
    this.handle = koffi.node.poll(this.fd, { readable: true }, onEvent as unknown as () => void);
  }

  private recover(): void {
    if (this.handle === undefined) return;
    takeSocketError(this.fd);
    // What the error was about shows at the next read, if it still is.
    this.onReadable();
    if (this.handle === undefined) return;
    this.handle.close();
    this.armAgain();
  }

  /** Nothing is readable without it: where the system refuses, it is asked again and again. */
  private armAgain(): void {
    if (this.handle === undefined) return;
    try {
      this.arm();
    } catch (error) {
      noteSystemFailure(systemErrorIn(error) === undefined ? new SystemCallError('poll', E.ENOMEM) : error);
      setTimeout(() => this.armAgain(), AGAIN_MS);
    }
  }
}

/** Until the system is asked again for what it has refused. */
const AGAIN_MS = 1_000;

const polls = new Set<Poll>();
