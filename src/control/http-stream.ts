import { Duplex } from 'node:stream';
import type { Connection } from './connection.ts';

/** The asker of an HTTP request. */
export interface HttpAsker {
  /** Root, or the daemon's own user. */
  readonly isMaster: boolean;
  /** One number for each local user, and for each address of another host. */
  readonly user: number;
  /** Came over TCP: perhaps from a browser. */
  readonly isRemote: boolean;
  /** Does a piece of work when it is the user's turn. Resolves to undefined where the asker has gone. One at a time. */
  readonly turn: <T>(work: () => T) => Promise<T | undefined>;
  /** The answer has no end: a reader that is slower than its pieces come is closed. */
  readonly endless: () => void;
}

/** Answers the one request in a stream. */
export interface HttpHandler {
  (stream: Duplex, asker: HttpAsker): void;
  /** Whether the head of a request has the token of --listen-token: such a request gives way to none without it. It is answered by its own rules all the same. */
  readonly showsToken?: (head: Uint8Array) => boolean;
}

/** A connection for Node's HTTP server: it gives the head of one request, and never its end. */
export class HttpStream extends Duplex {
  private readonly connection: Connection;

  constructor(connection: Connection, head: Uint8Array) {
    super();
    this.connection = connection;
    this.on('error', () => {}); // the asker has gone
    this.push(head);
  }

  override _read(): void {}

  override _write(octets: Uint8Array, _: BufferEncoding, done: (error?: Error) => void): void {
    void this.pass(octets, done);
  }

  override _final(done: () => void): void {
    done();
    this.connection.close();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.connection.close();
    done(error);
  }

  private async pass(octets: Uint8Array, done: (error?: Error) => void): Promise<void> {
    await this.connection.send(octets);
    if (this.connection.isClosed) done(new Error('the asker has gone'));
    else done();
  }
}
