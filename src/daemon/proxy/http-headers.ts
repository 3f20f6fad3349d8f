/** Headers that a proxy passes on. RFC 9110 section 7.6 */
import type { IncomingMessage } from 'node:http';

/** Headers between two neighbours only, beside those that `Connection` names. RFC 9110 section 7.6.1 */
const BETWEEN = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'expect',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
const FOR_PROXY = [...BETWEEN, 'proxy-authorization', 'host'];
const FOR_CLIENT = [...BETWEEN, 'proxy-authenticate'];

/** Names and values in turn, for the target of a request. `authority`: the place in its URL. RFC 9112 section 3.2.2 */
export function headersForTarget(asked: IncomingMessage, authority: string): string[] {
  return ['Host', authority, ...kept(asked, FOR_PROXY), ...viaOf(asked), ...bodyOf(asked)];
}

/** Of an answer, for the client. */
export function headersForClient(got: IncomingMessage): string[] {
  const length = got.headers['content-length'];
  return [
    ...kept(got, FOR_CLIENT),
    ...viaOf(got),
    ...(length === undefined ? [] : ['Content-Length', length]),
  ];
}

/** The body has a coding that this proxy does not undo: without its name nobody could read it. RFC 9112 section 6.1 */
export function hasUnknownCoding({ headers }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding'];
  return coding !== undefined && coding.trim().toLowerCase() !== 'chunked';
}

/** Octets of this request may still come. */
export function hasMoreBody(asked: IncomingMessage): boolean {
  return !asked.complete && bodyOf(asked).length > 0;
}

/** The length of a body is said by its sender. */
function kept({ rawHeaders, headers }: IncomingMessage, without: readonly string[]): string[] {
  const named = (headers.connection ?? '').toLowerCase().split(/[\s,]+/);
  const dropped = new Set([...without, ...named, 'content-length']);
  const all: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (!dropped.has(rawHeaders[i]!.toLowerCase())) all.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  return all;
}

/** RFC 9110 section 7.6.3 */
function viaOf({ httpVersion }: IncomingMessage): string[] {
  return ['Via', `${httpVersion} teredo`];
}

function bodyOf({ headers }: IncomingMessage): string[] {
  const length = headers['content-length'];
  if (length !== undefined) return ['Content-Length', length];
  return headers['transfer-encoding'] === undefined ? [] : ['Transfer-Encoding', 'chunked'];
}
