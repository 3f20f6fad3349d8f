/** Requests of HTTP to a proxy: CONNECT (RFC 9110 section 9.3.6), and others with the URL of their target (RFC 9112 section 3.2.2). */
import { MORE, refused, whole } from './stream-piece.ts';
import type { Piece } from './stream-piece.ts';
import { hostOf } from './proxy-target.ts';
import type { Target } from './proxy-target.ts';

/** The longest head: request line and headers. */
export const LONGEST_HEAD = 8 << 10;

export interface HttpRequest {
  readonly target: Target;
  /** Of `Proxy-Authorization`, without further checks. */
  readonly authorization: string | undefined;
  /** The head for the target; absent of CONNECT, which has none. */
  readonly forwarded?: string;
}

/** Headers between client and proxy. RFC 9110 section 7.6.1 */
const BETWEEN = /^(?:proxy-connection|proxy-authorization|connection|keep-alive)$/i;
/** The URL names the host. RFC 9112 section 3.2.2 */
const HOST = /^host$/i;

/** Reads a head. A request to this proxy itself, as a web page could have sent it, is refused. */
export function readHttpRequest(b: Uint8Array): Piece<HttpRequest> {
  const length = headLength(b);
  if (length === undefined) return b.length >= LONGEST_HEAD ? refused('too-long') : MORE;
  if (length > LONGEST_HEAD) return refused('too-long');
  const [first, ...headers] = String.fromCharCode(...b.subarray(0, length))
    .split('\r\n')
    .slice(0, -2);
  const line = /^([A-Z]{1,16}) (\S+) HTTP\/1\.[01]$/.exec(first!);
  if (line === null || !headers.every(isHeader)) return refused('line');
  const [, method, place] = line as unknown as [string, string, string];
  const authorization = valueOf(headers, 'proxy-authorization');
  if (method === 'CONNECT') {
    const target = authorityOf(place, undefined);
    return target === undefined ? refused('port') : whole({ target, authorization }, length);
  }
  const url = /^http:\/\/([^/?#@]+)((?:[/?][^#]*)?)$/i.exec(place);
  if (url === null) return refused('not-a-proxy-request');
  const target = authorityOf(url[1]!, 80);
  if (target === undefined) return refused('port');
  const path = url[2]!.startsWith('/') ? url[2]! : `/${url[2]!}`;
  const forwarded = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${url[1]!}`,
    ...headers.filter((header) => !BETWEEN.test(nameIn(header)) && !HOST.test(nameIn(header))),
    'Connection: close',
  ];
  return whole({ target, authorization, forwarded: `${forwarded.join('\r\n')}\r\n\r\n` }, length);
}

/** "Basic", RFC 7617: user and password, as base64. Undefined: another scheme. */
export function basicCredentialsIn(authorization: string): string | undefined {
  return /^basic +([\w+/]+={0,2})$/i.exec(authorization)?.[1];
}

/** The place behind the empty line. */
function headLength(b: Uint8Array): number | undefined {
  const most = Math.min(b.length, LONGEST_HEAD + 4);
  for (let i = 3; i < most; i++)
    if (b[i] === LF && b[i - 1] === CR && b[i - 2] === LF && b[i - 3] === CR) return i + 1;
  return undefined;
}

const [CR, LF] = [13, 10];

/** No line may begin with a space (RFC 9112 section 5.2) or hide a line break. */
function isHeader(line: string): boolean {
  return /^[\w!#$%&'*+.^`|~-]+:[^\r\n\0]*$/.test(line);
}

function nameIn(header: string): string {
  return header.slice(0, header.indexOf(':'));
}

function valueOf(headers: readonly string[], name: string): string | undefined {
  const found = headers.find((header) => nameIn(header).toLowerCase() === name);
  return found?.slice(name.length + 1).trim();
}

/** `host:port`. `usual`: the port where none is given. */
function authorityOf(text: string, usual: number | undefined): Target | undefined {
  const [, bracketed, plain, digits] = /^(?:(\[[^\]]*\])|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = hostOf(bracketed ?? plain ?? '');
  const port = digits === undefined ? usual : Number(digits);
  if (host === undefined || port === undefined || port < 1 || port > 65_535) return undefined;
  return { host, port };
}
