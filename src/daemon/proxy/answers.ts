import { REPLY, writeReply } from '../../wire/socks5.ts';
import type { Reply } from '../../wire/socks5.ts';
import type { Target } from '../../wire/proxy-target.ts';

export type Protocol = 'socks' | 'http';

/** Why a client does not reach its target. */
export type Failure =
  | 'not-allowed'
  | 'not-found'
  | 'host-unreachable'
  | 'network-unreachable'
  | 'refused'
  | 'timed-out'
  | 'unknown-command'
  | 'failed';

const SOCKS: Readonly<Record<Failure, Reply>> = {
  'not-allowed': REPLY.NOT_ALLOWED,
  'not-found': REPLY.HOST_UNREACHABLE,
  'host-unreachable': REPLY.HOST_UNREACHABLE,
  'network-unreachable': REPLY.NETWORK_UNREACHABLE,
  refused: REPLY.REFUSED,
  'timed-out': REPLY.HOST_UNREACHABLE,
  'unknown-command': REPLY.COMMAND_UNKNOWN,
  failed: REPLY.FAILED,
};

/** Status, and a line for people. RFC 9110 section 15 */
const HTTP: Readonly<Record<Failure, readonly [status: string, words: string]>> = {
  'not-allowed': ['403 Forbidden', 'This proxy does not connect to that address.'],
  'not-found': ['502 Bad Gateway', 'There is no such name.'],
  'host-unreachable': ['502 Bad Gateway', 'The host cannot be reached.'],
  'network-unreachable': ['502 Bad Gateway', 'There is no way to that network.'],
  refused: ['502 Bad Gateway', 'The host has refused the connection.'],
  'timed-out': ['504 Gateway Timeout', 'The host has not answered.'],
  'unknown-command': ['405 Method Not Allowed', 'This proxy does not know that method.'],
  failed: ['503 Service Unavailable', 'The proxy has no free sockets, or the system has refused one.'],
};

/** The answer to a request of CONNECT that has succeeded. RFC 9110 section 9.3.6 */
const ESTABLISHED = text('HTTP/1.1 200 Connection established\r\n\r\n');

/** `from`: the address of the socket to the target. */
export function successOf(protocol: Protocol, from: Target): Uint8Array {
  return protocol === 'socks' ? writeReply(REPLY.SUCCEEDED, from) : ESTABLISHED;
}

export function failureOf(protocol: Protocol, failure: Failure): Uint8Array {
  return protocol === 'socks' ? writeReply(SOCKS[failure]) : httpAnswer(...HTTP[failure]);
}

/** The status of a failure, and its line for people. */
export function httpFailure(failure: Failure): { readonly status: number; readonly words: string } {
  const [status, words] = HTTP[failure];
  return { status: Number.parseInt(status, 10), words };
}

/** An answer after which the connection ends. */
export function httpAnswer(status: string, words: string, ...headers: readonly string[]): Uint8Array {
  const body = `${words}\n`;
  const head = [
    `HTTP/1.1 ${status}`,
    ...headers,
    'Content-Type: text/plain',
    `Content-Length: ${body.length}`,
    'Connection: close',
  ];
  return text(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** To a request that breaks the rules of HTTP. */
export const UNREADABLE = httpAnswer('400 Bad Request', 'This is no request that a proxy can read.');

function text(ascii: string): Uint8Array {
  return new TextEncoder().encode(ascii);
}
