import { readHttpRequest } from '../../wire/http-proxy-request.ts';
import type { Piece, PieceReason } from '../../wire/stream-piece.ts';
import {
  COMMAND,
  METHOD,
  REPLY,
  SOCKS_VERSION,
  readCredentials,
  readMethods,
  readRequest,
  writeCredentialsAnswer,
  writeMethod,
  writeReply,
} from '../../wire/socks5.ts';
import type { Target } from '../../wire/proxy-target.ts';
import { UNREADABLE, failureOf, httpAnswer } from './answers.ts';
import type { Protocol } from './answers.ts';
import type { CredentialCheck } from './credentials.ts';

/**
 * What a client asks for. `first`: octets for the target, which the client has sent already; of `http` the octets of a request with a URL, and of
 * what follows it.
 */
export interface Wish {
  readonly kind: 'connect' | 'associate' | 'http';
  readonly protocol: Protocol;
  readonly target: Target;
  readonly first: Uint8Array;
}

/** `end`: the connection ends with `answer`. `isGuess`: user or password were wrong. */
export type Step =
  | { readonly kind: 'more'; readonly send: readonly Uint8Array[] }
  | { readonly kind: 'wish'; readonly send: readonly Uint8Array[]; readonly wish: Wish }
  | {
      readonly kind: 'end';
      readonly send: readonly Uint8Array[];
      readonly answer: Uint8Array;
      readonly isGuess: boolean;
    };

type State = 'first' | 'credentials' | 'request' | 'http';

const NOTHING = new Uint8Array(0);
export const CREDENTIALS_NEEDED = httpAnswer(
  '407 Proxy Authentication Required',
  'This proxy needs a user and a password.',
  'Proxy-Authenticate: Basic realm="teredo"',
);

/** From the first octet of a client to its wish, whatever the pieces in which the octets come. */
export class Handshake {
  private readonly required: CredentialCheck | undefined;
  private state: State = 'first';
  private waiting = new Uint8Array(0);
  private send: Uint8Array[] = [];
  private answer: Uint8Array = NOTHING;
  private isGuess = false;

  constructor(required: CredentialCheck | undefined) {
    this.required = required;
  }

  take(octets: Uint8Array): Step {
    this.waiting = joined(this.waiting, octets);
    this.send = [];
    for (;;) {
      const state = this.state;
      const wish = this.read();
      if (wish === 'end') return { kind: 'end', send: this.send, answer: this.answer, isGuess: this.isGuess };
      if (wish !== undefined) return { kind: 'wish', send: this.send, wish };
      if (this.state === state) return { kind: 'more', send: this.send };
    }
  }

  /** Reads one message, if it is whole. */
  private read(): Wish | 'end' | undefined {
    switch (this.state) {
      case 'first':
        return this.readFirst();
      case 'credentials':
        return this.readCredentials();
      case 'request':
        return this.readRequest();
      case 'http':
        return this.readHttp();
    }
  }

  private readFirst(): 'end' | undefined {
    const [first] = this.waiting;
    if (first === undefined) return undefined;
    if (isCapital(first)) {
      this.state = 'http';
      return undefined;
    }
    if (first !== SOCKS_VERSION) return 'end';
    const methods = this.next(readMethods(this.waiting));
    if (methods === 'more') return undefined;
    const wanted = this.required === undefined ? METHOD.NONE : METHOD.CREDENTIALS;
    if (typeof methods === 'string' || !methods.includes(wanted))
      return this.end(writeMethod(METHOD.NOT_ACCEPTABLE));
    this.send.push(writeMethod(wanted));
    this.state = wanted === METHOD.NONE ? 'request' : 'credentials';
    return undefined;
  }

  private readCredentials(): 'end' | undefined {
    const given = this.next(readCredentials(this.waiting));
    if (given === 'more') return undefined;
    const areRight = typeof given !== 'string' && this.required!.areRight(given);
    this.isGuess = !areRight;
    if (!areRight) return this.end(writeCredentialsAnswer(false));
    this.send.push(writeCredentialsAnswer(true));
    this.state = 'request';
    return undefined;
  }

  private readRequest(): Wish | 'end' | undefined {
    const request = this.next(readRequest(this.waiting));
    if (request === 'more') return undefined;
    if (request === 'address-type') return this.end(writeReply(REPLY.ADDRESS_TYPE_UNKNOWN));
    if (typeof request === 'string') return this.end(failureOf('socks', 'failed'));
    const { command, target } = request;
    if (command !== COMMAND.CONNECT && command !== COMMAND.UDP_ASSOCIATE)
      return this.end(failureOf('socks', 'unknown-command'));
    const kind = command === COMMAND.CONNECT ? 'connect' : 'associate';
    return { kind, protocol: 'socks', target, first: this.waiting };
  }

  private readHttp(): Wish | 'end' | undefined {
    const octets = this.waiting;
    const request = this.next(readHttpRequest(octets));
    if (request === 'more') return undefined;
    if (request === 'too-long')
      return this.end(
        httpAnswer('431 Request Header Fields Too Large', 'The head of the request is too long.'),
      );
    if (request === 'not-a-proxy-request')
      return this.end(
        httpAnswer('400 Bad Request', 'This is a proxy: it needs CONNECT, or a whole http:// URL.'),
      );
    if (typeof request === 'string') return this.end(UNREADABLE);
    const { target, authorization, isConnect } = request;
    if (this.required?.authorize(authorization) === false) {
      this.isGuess = authorization !== undefined;
      return this.end(CREDENTIALS_NEEDED);
    }
    if (isConnect) return { kind: 'connect', protocol: 'http', target, first: this.waiting };
    return { kind: 'http', protocol: 'http', target, first: octets };
  }

  /** The value of a whole piece, whose octets are taken. */
  private next<T extends object>(piece: Piece<T>): T | PieceReason | 'more' {
    if (piece.kind === 'more') return 'more';
    if (piece.kind === 'refused') return piece.reason;
    this.waiting = this.waiting.slice(piece.length);
    return piece.value;
  }

  private end(answer: Uint8Array): 'end' {
    this.answer = answer;
    return 'end';
  }
}

function isCapital(octet: number): boolean {
  return octet >= 0x41 && octet <= 0x5a;
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
