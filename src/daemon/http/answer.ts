import type { IncomingHttpHeaders } from 'node:http';
import type { HttpAsker } from '../../control/http-stream.ts';

/** A request whose origin has been looked at. */
export interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Only the headers of the answer are wanted. */
  readonly isHead: boolean;
  readonly asker: HttpAsker;
}

/** A body that is made as its reader takes it: nothing waits for a slow one. */
export interface Pieces {
  /** Undefined after the last one. */
  readonly next: () => Promise<string | undefined>;
  /** The reader has gone, or has all. */
  readonly end?: () => void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Pieces;
}

const JSON_TYPE = { 'Content-Type': 'application/json' };
const CODES = {
  400: 'bad-request',
  401: 'no-token',
  403: 'not-permitted',
  404: 'not-found',
  405: 'not-permitted',
  421: 'other-host',
  429: 'busy',
  500: 'internal',
  502: 'no-answer',
} as const;

export function text(body: string | Pieces, headers: HttpAnswer['headers']): HttpAnswer {
  return { status: 200, headers, body };
}

export function json(value: unknown, status = 200): HttpAnswer {
  return { status, headers: JSON_TYPE, body: JSON.stringify(value) ?? '' };
}

/** JSON that is made in pieces. */
export function jsonPieces(pieces: Pieces): HttpAnswer {
  return text(pieces, JSON_TYPE);
}

/** As the control protocol refuses. */
export function refused(status: keyof typeof CODES, message: string, headers = {}): HttpAnswer {
  const answer = json({ ok: false, code: CODES[status], message }, status);
  return { ...answer, headers: { ...answer.headers, ...headers } };
}
