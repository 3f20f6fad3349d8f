/**
 * Requests of HTTP with a URL, by Node's parser and client: each goes to its own target, whatever the target of the one before answers, and gets
 * that target's answer and no other.
 */
import { createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { LONGEST_HEAD, placeInUrl } from '../../wire/http-proxy-request.ts';
import { httpFailure } from './answers.ts';
import type { Asker } from './asker.ts';
import type { CredentialCheck } from './credentials.ts';
import type { Dialer } from './dialer.ts';

interface Parts {
  readonly dialer: Pick<Dialer, 'dial'>;
  readonly required: CredentialCheck | undefined;
  readonly asker: Asker;
}

/** A connection is ended when it is idle for so long: between two requests, and within one. */
const [KEPT_MS, IDLE_MS] = [60_000, 600_000];
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

/** Serves the requests of one client, of which `first` has come already. Resolves when the client's socket is closed. */
export async function serveRequests(client: Socket, first: Uint8Array, parts: Parts): Promise<void> {
  const server = createServer(
    { maxHeaderSize: LONGEST_HEAD, keepAliveTimeout: KEPT_MS },
    (asked, answer) => void serve(asked, answer, parts),
  );
  server.on('clientError', (_, socket) => socket.destroy());
  // A client may end its direction before the answer. Node's types leave this out.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.setTimeout(IDLE_MS, (socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    client.on('close', () => resolve());
    server.emit('connection', client);
    client.unshift(first);
    client.resume();
  });
}

/** Never rejects. */
async function serve(
  asked: IncomingMessage,
  answer: ServerResponse,
  { dialer, required, asker }: Parts,
): Promise<void> {
  asked.on('error', () => {});
  answer.on('error', () => {});
  if (required?.authorize(asked.headers['proxy-authorization']) === false)
    return refuse(answer, 407, 'This proxy needs a user and a password.', {
      'Proxy-Authenticate': 'Basic realm="teredo"',
    });
  const place = placeInUrl(asked.url ?? '');
  if (typeof place === 'string')
    return refuse(answer, 400, 'This is a proxy: it needs CONNECT, or a whole http:// URL.');
  const dialed = await dialer.dial(place.target, asker);
  if ('failure' in dialed) {
    const { status, words } = httpFailure(dialed.failure);
    return refuse(answer, status, words);
  }
  const { socket } = dialed;
  if (answer.destroyed || asked.destroyed) return void socket.on('error', () => {}).destroy();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const headers = ['Host', place.authority, ...kept(asked, FOR_PROXY), ...bodyOf(asked)];
  // With a connection of its own it has no agent, which would use the connection again for another target.
  const sent = request({
    method: asked.method,
    path: place.path,
    headers,
    createConnection: () => socket,
  });
  passOn(asked, sent, answer);
}

function passOn(asked: IncomingMessage, sent: ClientRequest, answer: ServerResponse): void {
  sent.on('error', () => {
    if (answer.headersSent) answer.destroy();
    else refuse(answer, 502, 'The host has not answered as a web server does.');
  });
  sent.on('response', (got) => {
    const body = got.headers['content-length'];
    answer.writeHead(got.statusCode!, got.statusMessage, [
      ...kept(got, FOR_CLIENT),
      ...(body === undefined ? [] : ['Content-Length', body]),
    ]);
    pipeline(got, answer, () => sent.destroy());
  });
  answer.on('close', () => void sent.destroy());
  pipeline(asked, sent, () => {});
}

/** Names and values in turn. The length of a body is said by its sender. */
function kept({ rawHeaders, headers }: IncomingMessage, without: readonly string[]): string[] {
  const named = (headers.connection ?? '').toLowerCase().split(/[\s,]+/);
  const dropped = new Set([...without, ...named, 'content-length']);
  const all: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (!dropped.has(rawHeaders[i]!.toLowerCase())) all.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  return all;
}

function bodyOf({ headers }: IncomingMessage): string[] {
  const length = headers['content-length'];
  if (length !== undefined) return ['Content-Length', length];
  return headers['transfer-encoding'] === undefined ? [] : ['Transfer-Encoding', 'chunked'];
}

function refuse(
  answer: ServerResponse,
  status: number,
  words: string,
  headers: Record<string, string> = {},
): void {
  answer.writeHead(status, { ...headers, 'Content-Type': 'text/plain', Connection: 'close' });
  answer.end(`${words}\n`);
}
