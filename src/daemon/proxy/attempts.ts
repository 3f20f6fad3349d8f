import type { Socket } from 'node:net';
import type { Failure } from './answers.ts';

export type Dialed = { readonly socket: Socket } | { readonly failure: Failure };

/** The next address is tried after this, or when one has failed. RFC 8305 section 5 allows 2 s: the first packet to a Teredo peer needs more time than others. */
const NEXT_MS = 1_000;
/** A host has answered by then. */
const ANSWER_MS = 20_000;

const FAILURES: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'refused',
  ENETUNREACH: 'network-unreachable',
  ENETDOWN: 'network-unreachable',
  EADDRNOTAVAIL: 'network-unreachable',
  EHOSTUNREACH: 'host-unreachable',
  EACCES: 'host-unreachable',
  ETIMEDOUT: 'timed-out',
};

/**
 * Begins connections one after the other, beside those that have not failed yet. The first one that stands is the result, and the others are ended. If all
 * fail, the result is the last failure.
 */
export class Attempts {
  private readonly waiting: (() => Socket)[];
  private readonly running = new Map<Socket, NodeJS.Timeout>();
  private readonly onEnd: (result: Dialed) => void;
  private next: NodeJS.Timeout | undefined;
  private failure: Failure = 'not-allowed';
  private ended = false;

  /** `onEnd` is called once. */
  constructor(opens: readonly (() => Socket)[], onEnd: (result: Dialed) => void) {
    this.waiting = [...opens];
    this.onEnd = onEnd;
    this.begin();
  }

  /** Ends all attempts, of which none is wanted any more. Harmless when repeated. */
  stop(): void {
    this.end({ failure: 'failed' });
  }

  private begin(): void {
    clearTimeout(this.next);
    if (this.ended) return;
    const open = this.waiting.shift();
    if (open === undefined) {
      if (this.running.size === 0) this.end({ failure: this.failure });
      return;
    }
    try {
      this.follow(open());
      this.next = setTimeout(() => this.begin(), NEXT_MS);
    } catch (error) {
      this.failure = failureIn(error);
      this.begin();
    }
  }

  private follow(socket: Socket): void {
    const fail = (failure: Failure): void => {
      this.failure = failure;
      this.drop(socket);
      this.begin();
    };
    this.running.set(
      socket,
      setTimeout(() => fail('timed-out'), ANSWER_MS),
    );
    socket.on('error', (error) => fail(failureIn(error)));
    socket.on('connect', () => this.end({ socket }));
  }

  /** An attempt is over. */
  private drop(socket: Socket): void {
    clearTimeout(this.running.get(socket));
    this.running.delete(socket);
    socket.removeAllListeners();
    socket.on('error', () => {}).destroy();
  }

  private end(result: Dialed): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.next);
    if ('socket' in result) this.release(result.socket);
    for (const socket of this.running.keys()) this.drop(socket);
    this.onEnd(result);
  }

  /** A later error is the business of the new owner. */
  private release(socket: Socket): void {
    clearTimeout(this.running.get(socket));
    this.running.delete(socket);
    socket.removeAllListeners();
  }
}

function failureIn(error: unknown): Failure {
  return FAILURES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'failed';
}
