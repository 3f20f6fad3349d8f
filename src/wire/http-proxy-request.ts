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
  /** Otherwise a request with a URL, which is not for this proxy alone: others may follow it. */
  readonly isConnect: boolean;
}

/** The place that a request with a URL names. RFC 9112 section 3.2.2 */
export interface UrlPlace {
  readonly target: Target;
  /** For the header `Host`. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
}

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
    return target === undefined ? refused('port') : whole({ target, authorization, isConnect: true }, length);
  }
  const found = placeInUrl(place);
  if (typeof found === 'string') return refused(found);
  return whole({ target: found.target, authorization, isConnect: false }, length);
}

/** The URL of a request, or why it is none for a proxy. */
export function placeInUrl(text: string): UrlPlace | 'not-a-proxy-request' | 'port' {
  const url = /^http:\/\/([^/?#@]+)((?:[/?][^#]*)?)$/i.exec(text);
  if (url === null) return 'not-a-proxy-request';
  const [, authority, rest] = url as unknown as [string, string, string];
  const target = authorityOf(authority, 80);
  if (target === undefined) return 'port';
  return { target, authority, path: rest.startsWith('/') ? rest : `/${rest}` };
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
