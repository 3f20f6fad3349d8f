import { closeConnection, limitSendBuffer, receiveFrom, sendTo } from '../io/stream-socket.ts';
import type { Caller } from './admission.ts';
import { MAX_REQUEST_BYTES } from './control-protocol.ts';
import type { Newcomer } from './entrance.ts';
import { MAX_HEAD_BYTES, headIn, isRequestLine, isVersion1, shortAnswer } from './http-head.ts';

/** How long a connection has for its question, and then for taking each piece of the answer. */
const ASK_MS = 10_000;
const ANSWER_MS = 30_000;
/** How long an endless answer has for each piece, and how much of it the kernel keeps. */
const PIECE_MS = 5_000;
const ENDLESS_OCTETS = 64 << 10;

/** How often a connection is looked at, and one where nothing happens. */
export const LOOK_MS = 5;
export const IDLE_LOOK_MS = 40;

const NOTHING = new Uint8Array(0);

export type Places = 'control' | 'tcp' | 'token';

/** Gets the one question of a connection, and its end. */
export interface Listening {
  /** Of the control protocol. */
  readonly line: (line: string) => void;
  /** The first line and the headers of an HTTP request. */
  readonly head: (head: Uint8Array) => void;
  readonly closed: () => void;
}

/**
 * A connection to the control socket, or of HTTP over TCP. It is looked at when its server has time, and not when something arrives, so that no user
 * makes work by sending in small pieces. Octets behind the question are never read.
 */
export class Connection implements Caller {
  readonly uid: number;
  readonly pid: number;
  readonly isMaster: boolean;
  readonly isControl: boolean;
  /** The places among which it has one: those of the control socket, of TCP, or of requests over TCP that have shown the token. */
  places: Places;
  private readonly fd: number;
  private readonly listening: Listening;
  private question: Uint8Array | undefined = new Uint8Array(0);
  private unsent: Uint8Array | undefined;
  private onSent: (() => void) | undefined;
  private deadline: NodeJS.Timeout;
  private closed = false;
  /** Something has come or gone. */
  private isActive = false;
  private isEndless = false;
  private lookMs = LOOK_MS;
  private lookAt = -Infinity;

  constructor({ fd, uid, pid, isMaster, isControl }: Newcomer, listening: Listening) {
    this.uid = uid;
    this.pid = pid;
    this.isMaster = isMaster;
    this.isControl = isControl;
    this.places = isControl ? 'control' : 'tcp';
    this.fd = fd;
    this.listening = listening;
    this.deadline = setTimeout(() => this.close(), ASK_MS);
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /**
   * Reads and writes as far as that goes without waiting, by one system call, if it is time for that. Returns after how many milliseconds it
   * will be time. `now`: milliseconds.
   */
  look(now: number): number {
    if (this.closed) return IDLE_LOOK_MS;
    if (now < this.lookAt) return this.lookAt - now;
    if (this.question !== undefined) this.read(this.question);
    else this.write(this.unsent ?? NOTHING); // no octets: fails where the asker has hung up
    this.lookMs = this.isActive ? LOOK_MS : Math.min(2 * this.lookMs, IDLE_LOOK_MS);
    this.isActive = false;
    this.lookAt = now + this.lookMs;
    return this.lookMs;
  }

  /** Reads what has come of the question, before its time to be looked at. */
  readNow(): void {
    if (!this.closed && this.question !== undefined) this.read(this.question);
  }

  /** The answer has no end: a reader that is slower than its pieces come is closed. */
  beEndless(): void {
    if (this.closed) return;
    this.isEndless = true;
    limitSendBuffer(this.fd, ENDLESS_OCTETS);
    clearTimeout(this.deadline);
  }

  /** Resolves once the kernel has all of it, or the connection is closed. One at a time. */
  send(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) {
        resolve();
        return;
      }
      this.onSent = resolve;
      if (this.isEndless) this.giveTime(PIECE_MS);
      this.write(typeof text === 'string' ? Buffer.from(text) : text);
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.deadline);
    closeConnection(this.fd);
    this.sent();
    this.listening.closed();
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
    if (end < 0) this.readOn(all, MAX_REQUEST_BYTES);
    else if (isRequestLine(all.toString('latin1', 0, end))) this.readHead(all, end);
    else if (!this.isControl) this.close();
    else {
      this.understood();
      this.listening.line(all.toString('utf8', 0, end));
    }
  }

  private readOn(all: Uint8Array, most: number): void {
    if (all.length > most) this.close();
    else this.question = all;
  }

  private readHead(all: Buffer, endOfLine: number): void {
    const head = headIn(all);
    if (!isVersion1(all.toString('latin1', 0, endOfLine))) {
      sendTo(this.fd, shortAnswer(505, 'HTTP Version Not Supported'));
      this.close();
    } else if ((head ?? all).length > MAX_HEAD_BYTES) {
      sendTo(this.fd, shortAnswer(431, 'Request Header Fields Too Large'));
      this.close();
    } else if (head === undefined) this.question = all;
    else {
      this.understood();
      this.listening.head(head);
    }
  }

  private understood(): void {
    this.question = undefined;
    this.giveTime(ANSWER_MS);
  }

  private write(octets: Uint8Array): void {
    const taken = sendTo(this.fd, octets);
    if (taken < 0) {
      this.close();
      return;
    }
    if (taken > 0) {
      if (!this.isEndless) this.giveTime(ANSWER_MS);
      this.isActive = true;
    }
    if (octets === NOTHING) return;
    this.unsent = taken === octets.length ? undefined : octets.subarray(taken);
    if (this.unsent === undefined) this.sent();
  }

  private giveTime(ms: number): void {
    clearTimeout(this.deadline);
    this.deadline = setTimeout(() => this.close(), ms);
  }

  private sent(): void {
    if (this.isEndless) clearTimeout(this.deadline);
    const { onSent } = this;
    this.onSent = undefined;
    onSent?.();
  }
}
