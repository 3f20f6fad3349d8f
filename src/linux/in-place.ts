import { isMainThread } from 'node:worker_threads';
import { Memory, sys, uvLoop } from './libc.ts';
import type { EventLoop } from './libc.ts';

/** A descriptor that is watched, and the function that reads from it. */
export interface Watched {
  readonly fd: number;
  readonly onReadable: () => void;
}

/** With more descriptors than these, one wait costs more than the event loop does. */
const MOST = 16;
/** Turns that our descriptors get one right after the other, before the event loop has its own. */
const TURNS = 4;
/** struct pollfd: descriptor, and two half words: events wanted, events there. */
const POLLFD = 8;
const POLLIN = 1;

/**
 * The wait for the next packet, inside the callback of a poll. libuv's own wait would be reached by way of the end of the callback, of one turn of its
 * loop, and of a new callback, which takes half of the processor time of a packet that comes alone. adr/0040
 *
 * Only packets are dealt with here. All else needs the event loop, and ends the wait: a timer that is due, anything that another descriptor of the loop
 * has, and any work that may have left a promise. Promises of such a callback may wait for the end of the loop's turn, so no wait follows in the others of that turn.
 */
export class InPlace {
  private readonly loop: EventLoop;
  private readonly memory = new Memory((1 + MOST) * POLLFD);
  private readonly words = new Int32Array(this.memory.bytes.buffer);
  private readonly halves = new Uint16Array(this.memory.bytes.buffer);
  private watched: Watched[] = [];
  /** Something may wait for the end of this turn of the loop; and the end has been asked for. */
  private isLoopNeeded = false;
  private isAllowing = false;

  constructor(loop: EventLoop) {
    this.loop = loop;
    this.set(0, loop.backend);
  }

  /** The descriptors that are watched from now on. */
  watch(watched: Iterable<Watched>): void {
    work.needsLoop();
    this.watched = [...watched];
    for (const [i, { fd }] of this.watched.slice(0, MOST).entries()) this.set(1 + i, fd);
  }

  /** Waits and serves, until the event loop is needed. To be called when a poll has served its descriptor. */
  serve(): void {
    if (this.isLoopNeeded) return this.allowNext();
    // The loop has our descriptors, too. So it may be ready for other reasons than these only if they leave it ready.
    for (let turns = 0; turns < TURNS && work.wasPacketsOnly && this.watched.length <= MOST; turns++) {
      let ready = this.poll(0);
      if (ready === 0) {
        turns = 0;
        const timeout = this.loop.timeout();
        if (timeout !== 0) ready = this.poll(timeout);
      }
      if (ready <= 0 || !this.serveReady()) return;
    }
  }

  /** To be called at the end of a callback that has done anything else than carry packets. */
  leaveToLoop(): void {
    this.isLoopNeeded = true;
  }

  /** At the end of this turn of the loop nothing waits for it. Only here: an immediate for each other callback would cost more than it saves. */
  private allowNext(): void {
    if (!work.wasPacketsOnly || this.isAllowing) return;
    this.isAllowing = true;
    setImmediate(() => (this.isLoopNeeded = this.isAllowing = false));
  }

  /** The number of descriptors that are ready; below 0: it is not known (EINTR, for example). */
  private poll(timeout: number): number {
    return sys.poll(this.memory.address, 1 + this.watched.length, timeout);
  }

  /** Whether one of our descriptors was ready, and has been served. */
  private serveReady(): boolean {
    const { watched } = this;
    let any = false;
    for (let i = 0; i < watched.length; i++) {
      const ready = this.halves[4 * (1 + i) + 3]!;
      if (ready === 0) continue;
      // An error, for example: the poll deals with it.
      if (ready !== POLLIN) return false;
      any = true;
      work.begin();
      watched[i]!.onReadable();
      if (!work.wasPacketsOnly) return false;
    }
    return any;
  }

  private set(i: number, fd: number): void {
    this.words[2 * i] = fd;
    this.halves[4 * i + 2] = POLLIN;
  }
}

/** The kind of work that the present callback of a poll has done. */
class Work {
  private packets = false;
  private other = false;

  begin(): void {
    this.packets = this.other = false;
  }

  /** Packets were handled, and nothing else was begun. */
  carriedPackets(): void {
    this.packets = true;
  }

  /** Something was begun that may need the event loop: a promise, a callback of Node's. */
  needsLoop(): void {
    this.other = true;
  }

  get wasPacketsOnly(): boolean {
    return this.packets && !this.other;
  }
}

export const work = new Work();

/** The wait of this thread; undefined where there is none. */
export let inPlace: InPlace | undefined;

/** From now on this thread waits for packets inside callbacks. For a program whose work between packets is told to {@link work}. */
export function waitInPlace(): void {
  const loop = isMainThread ? uvLoop() : undefined;
  if (loop !== undefined) inPlace ??= new InPlace(loop);
}
