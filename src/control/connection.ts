import { closeConnection, receiveFrom, sendTo } from '../io/unix-socket.ts';
import type { UnixPeer } from '../io/unix-socket.ts';
import type { Caller } from './admission.ts';
import { MAX_REQUEST_BYTES } from './control-protocol.ts';

/** How long a connection has for its question, and then for taking each piece of the answer. */
const ASK_MS = 10_000;
const ANSWER_MS = 30_000;

const NOTHING = new Uint8Array(0);

/**
 * A connection to the control socket. It is looked at when its server has time, and not when something arrives, so that no user makes work
 * by sending in small pieces. Octets behind the question are never read.
 */
export class Connection implements Caller {
  readonly uid: number;
  readonly pid: number;
  /** By the user's own id; {@link uid} may be that of its owner. */
  readonly isMaster: boolean;
  private readonly fd: number;
  private readonly onLine: (line: string) => void;
  private readonly onClose: () => void;
  private question: Uint8Array | undefined = new Uint8Array(0);
  private unsent: Uint8Array | undefined;
  private onSent: (() => void) | undefined;
  private deadline: NodeJS.Timeout;
  private closed = false;
  /** Something has come or gone. */
  private isActive = false;

  /** `onLine` gets the one line that a connection may ask. */
  constructor(
    { fd, uid, pid }: UnixPeer,
    isMaster: boolean,
    onLine: (line: string) => void,
    onClose: () => void,
  ) {
    this.uid = uid;
    this.pid = pid;
    this.isMaster = isMaster;
    this.fd = fd;
    this.onLine = onLine;
    this.onClose = onClose;
    this.deadline = setTimeout(() => this.close(), ASK_MS);
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Reads and writes as far as that goes without waiting: one system call. Whether something has come or gone since the last time. */
  look(): boolean {
    if (this.closed) return false;
    if (this.question !== undefined) this.read(this.question);
    else this.write(this.unsent ?? NOTHING); // no octets: fails where the asker has hung up
    const { isActive } = this;
    this.isActive = false;
    return isActive;
  }

  /** Resolves once the kernel has all of it, or the connection is closed. One at a time. */
  send(text: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) {
        resolve();
        return;
      }
      this.onSent = resolve;
      this.write(Buffer.from(text));
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.deadline);
    closeConnection(this.fd);
    this.sent();
    this.onClose();
  }

  private read(before: Uint8Array): void {
    const octets = receiveFrom(this.fd);
    if (octets === 'none') return;
    if (octets === 'end') {
      this.close();
      return;
    }
    this.isActive = true;
    const all = Buffer.concat([before, octets]);
    const end = all.indexOf('\n');
    if (end >= 0) {
      this.question = undefined;
      this.giveTime();
      this.onLine(all.toString('utf8', 0, end));
    } else if (all.length > MAX_REQUEST_BYTES) this.close();
    else this.question = all;
  }

  private write(octets: Uint8Array): void {
    const taken = sendTo(this.fd, octets);
    if (taken < 0) {
      this.close();
      return;
    }
    if (taken > 0) {
      this.giveTime();
      this.isActive = true;
    }
    if (octets === NOTHING) return;
    this.unsent = taken === octets.length ? undefined : octets.subarray(taken);
    if (this.unsent === undefined) this.sent();
  }

  private giveTime(): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.close(), ANSWER_MS);
  }

  private sent(): void {
    const { onSent } = this;
    this.onSent = undefined;
    onSent?.();
  }
}
