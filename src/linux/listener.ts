import { SystemCallError } from './errors.ts';
import { E, errno, sys } from './libc.ts';
import { Poll } from './poll.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from './socket.ts';
import { noteSystemFailure, survive } from './system-failures.ts';

/** The kernel lowers it to net.core.somaxconn. */
const BACKLOG = 4_096;
/** The time until the next attempt after a refusal by the system. */
const AGAIN_MS = 1_000;

/** The other end of a connection. */
export interface Peer {
  readonly fd: number;
}

/** `none`: no connection waits. `exhausted`: the process or the host has no free descriptor; the connection stays in the queue. */
export type Accepted<P extends Peer> = P | 'none' | 'exhausted';

/** A listening stream socket. Its user accepts when it has time. */
export class Listener<P extends Peer> {
  protected readonly fd: number;
  private readonly identify: (fd: number) => P;
  private poll: Poll | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;

  /** `bind` throws a SystemCallError where that is refused. `identify`: the other end of an accepted connection. */
  constructor(fd: number, identify: (fd: number) => P, bind: (fd: number) => void) {
    this.fd = fd;
    this.identify = identify;
    try {
      bind(fd);
      if (sys.listen(fd, BACKLOG) < 0) throw new SystemCallError('listen', errno());
    } catch (error) {
      sys.close(fd);
      throw error;
    }
  }

  accept(): Accepted<P> {
    for (;;) {
      const fd = sys.accept4(this.fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) return this.identify(fd);
      const error = errno();
      if (error === E.EINTR || error === E.ECONNABORTED) continue;
      if (error === E.EAGAIN) return 'none';
      noteSystemFailure(new SystemCallError('accept4', error));
      return 'exhausted';
    }
  }

  /** Calls back once when a connection waits to be accepted; later if the system refuses that now. Once more does nothing before that. */
  wait(onWaiting: () => void): void {
    if (this.poll !== undefined) return;
    clearTimeout(this.again);
    const isSet = survive(() => {
      this.poll = new Poll(this.fd, () => {
        this.stopWaiting();
        onWaiting();
      });
    });
    if (!isSet) this.again = setTimeout(() => this.wait(onWaiting), AGAIN_MS);
  }

  close(): void {
    this.stopWaiting();
    sys.close(this.fd);
  }

  private stopWaiting(): void {
    this.poll?.close();
    this.poll = undefined;
    clearTimeout(this.again);
  }
}
