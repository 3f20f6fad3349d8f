import koffi from 'koffi';
import { SystemCallError } from './errors.ts';
import { inPlace, work } from './in-place.ts';
import { Memory, errno, sys } from './libc.ts';
import { takeSocketError } from './socket.ts';
import { noteSystemFailure, survive } from './system-failures.ts';

/**
 * Calls back whenever a descriptor is readable, until closed. libuv ends a poll permanently if the descriptor has an error; an ICMP message
 * on a connected socket is enough. So the error is cleared and the poll begun again.
 */
export class Poll {
  readonly fd: number;
  readonly onReadable: () => void;
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
    inPlace?.watch(polls);
  }

  private arm(): void {
    mustBePollable(this.fd);
    const onEvent = (status: number): void => {
      let isDone = false;
      work.begin();
      try {
        isDone = survive(() => (status === 0 ? this.serve() : this.recover()));
      } catch (error) {
        // Errors of the program: thrown here, they would be swallowed.
        setImmediate(() => {
          throw error;
        });
      }
      if (!isDone || !work.wasPacketsOnly) inPlace?.leaveToLoop();
    };
    // koffi 3.3.4 calls back with (status, events); its types, made for another version, know the events only.
    this.handle = koffi.node.poll(this.fd, { readable: true }, onEvent as unknown as () => void);
    polls.add(this); // keeps the object: the garbage collector would stop the handle
    inPlace?.watch(polls);
  }

  private serve(): void {
    this.onReadable();
    inPlace?.serve();
  }

  private recover(): void {
    if (this.handle === undefined) return;
    takeSocketError(this.fd);
    try {
      // If the error persists, the next read returns it.
      this.onReadable();
    } finally {
      this.handle?.close();
      this.armAgain();
    }
  }

  /** Begins the poll; without it nothing is received. If the system refuses, it is tried again and again. */
  private armAgain(): void {
    if (this.handle === undefined) return;
    try {
      this.arm();
    } catch (error) {
      noteSystemFailure(error);
      setTimeout(() => this.armAgain(), AGAIN_MS);
    }
  }
}

/** The time until the next attempt after a refusal by the system. */
const AGAIN_MS = 1_000;

const polls = new Set<Poll>();

/** struct epoll_event, packed. */
const EVENT_SIZE = 12;
const EPOLLIN = 1;
const EPOLL = { ADD: 1, DELETE: 2, CLOEXEC: 0o2000000 } as const;
let epoll = -1;
let event: Memory | undefined;

/** Asks the kernel first whether it can poll the descriptor (memory, number of watches): koffi ends the process if the kernel refuses. */
function mustBePollable(fd: number): void {
  if (event === undefined) {
    event = new Memory(EVENT_SIZE);
    event.view.setUint32(0, EPOLLIN, true);
  }
  if (epoll < 0) epoll = sys.epollCreate(EPOLL.CLOEXEC);
  if (epoll < 0) throw new SystemCallError('epoll_create1', errno());
  if (sys.epollCtl(epoll, EPOLL.ADD, fd, event.address) < 0) throw new SystemCallError('epoll_ctl', errno());
  sys.epollCtl(epoll, EPOLL.DELETE, fd, event.address);
}
