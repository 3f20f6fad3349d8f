/**
 * The control protocol: one JSON object a line, one line each way over a stream socket. A request names a command; the answer is
 * `{ok: true, result}` or `{ok: false, code, message}`. Only root and the daemon's user may ask for `drain` and `reload`; the other
 * commands give information.
 */

import { USER_WINDOWS } from '../core/users/index.ts';
import type { UserWindow } from '../core/users/index.ts';

/** A longer line is no request. */
export const MAX_REQUEST_BYTES = 4096;
/** More peers than this are in no answer. */
export const MAX_PEERS = 100_000;

export interface ControlRequest {
  readonly command: 'status' | 'peers' | 'users' | 'contact' | 'drain' | 'reload';
  /** `contact`: the peer's address, in text. */
  readonly address?: string;
  /** `peers`, `users`: how many at most. */
  readonly limit?: number;
  /** `users`: the span of time. */
  readonly window?: UserWindow;
}

export type ControlAnswer = { readonly ok: true; readonly result: unknown } | Refusal;

export interface Refusal {
  readonly ok: false;
  readonly code: string;
  readonly message: string;
  /** A list of errors. */
  readonly details?: readonly string[];
}

/** The request in a line, or undefined where it is none. */
export function parseRequest(line: string): ControlRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined; // not JSON: answered as a bad request
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { command, limit, address, window } = value as Record<string, unknown>;
  if (command === 'contact') return typeof address === 'string' ? { command, address } : undefined;
  if (command === 'reload') return { command };
  if (command !== 'status' && command !== 'peers' && command !== 'users' && command !== 'drain')
    return undefined;
  if (limit !== undefined && !isCount(limit)) return undefined;
  if (window !== undefined && !isWindow(window)) return undefined;
  return {
    command,
    ...(limit === undefined ? {} : { limit: Math.min(limit, MAX_PEERS) }),
    ...(window === undefined ? {} : { window }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function isWindow(value: unknown): value is UserWindow {
  return (USER_WINDOWS as readonly unknown[]).includes(value);
}

/** The line of an answer. */
export function answerLine(answer: ControlAnswer): Uint8Array {
  return Buffer.from(`${JSON.stringify(answer)}\n`);
}
