/**
 * Requests of HTTP with a URL, by Node's parser and client: each goes to its own target, whatever the target of the one before answers, and gets
 * that target's answer and no other.
 */
import { STATUS_CODES, createServer, request } from 'node:http';
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { LONGEST_HEAD, placeInUrl } from '../../wire/http-proxy-request.ts';
import { UNREADABLE, httpFailure } from './answers.ts';
import type { Asker } from './asker.ts';
import type { CredentialCheck } from './credentials.ts';
import type { Dialer } from './dialer.ts';
import { hasMoreBody, hasUnknownCoding, headersForClient, headersForTarget } from './http-headers.ts';
import { lastAnswer } from './last-answer.ts';
import { Turns } from './turns.ts';

interface Parts {
  readonly dialer: Pick<Dialer, 'dial'>;
  readonly required: CredentialCheck | undefined;
  readonly asker: Asker;
}

/** A connection is ended when it is idle for so long: between two requests, and within one. */
const [KEPT_MS, IDLE_MS] = [60_000, 600_000];
/** Requests of one connection that may wait for the answer to the one before: more end the connection. apt sends 10. */
const MOST_WAITING = 16;
/** The rest of a body that nobody wants has come by then. */
const REST_MS = 5_000;
const NO_WEB_SERVER = 'The host has not answered as a web server does.';

/** Serves the requests of one client, of which `first` has come already. Resolves when the client's socket is closed. */
export async function serveRequests(client: Socket, first: Uint8Array, parts: Parts): Promise<void> {
  // One request at a time: a connection has one target at most.
  const turns = new Turns(MOST_WAITING);
  const server = createServer({ maxHeaderSize: LONGEST_HEAD, keepAliveTimeout: KEPT_MS }, (asked, answer) => {
    if (!turns.add(() => serve(asked, answer, parts))) client.destroy();
  });
  answerUnreadable(server, client, turns);
  // A client may end its direction before the answer. Node's types leave this out.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.setTimeout(IDLE_MS, (socket) => socket.destroy());
  await new Promise<void>((resolve) => {
    client.on('close', () => {
      turns.stop();
      resolve();
    });
    server.emit('connection', client);
    client.unshift(first);
    client.resume();
  });
}

/** The parser reports each further piece of a request that it cannot read. */
function answerUnreadable(server: Server, client: Socket, turns: Turns): void {
  let isAnswered = false;
  server.on('clientError', () => {
    if (isAnswered) return;
    isAnswered = true;
    if (turns.isIdle) void lastAnswer(client, UNREADABLE);
    else client.destroy();
  });
}

/** Resolves when the answer has gone. Never rejects. */
async function serve(asked: IncomingMessage, answer: ServerResponse, parts: Parts): Promise<void> {
  const closed = new Promise((resolve) => answer.on('close', resolve));
  asked.on('error', () => {});
  answer.on('error', () => {});
  try {
    await fulfil(asked, answer, parts);
    await closed;
  } catch {
    asked.destroy();
    answer.destroy();
  }
}

async function fulfil(
  asked: IncomingMessage,
  answer: ServerResponse,
  { dialer, required, asker }: Parts,
): Promise<void> {
  if (required?.authorize(asked.headers['proxy-authorization']) === false)
    return refuse(asked, answer, 407, 'This proxy needs a user and a password.');
  const url = asked.url ?? '';
  const place = placeInUrl(url);
  if (typeof place === 'string')
    return refuse(asked, answer, 400, 'This is a proxy: it needs CONNECT, or a whole http:// URL.');
  if (hasUnknownCoding(asked)) return refuse(asked, answer, 501, 'This proxy does not know that coding.');
  const dialed = await dialer.dial(place.target, asker);
  if ('failure' in dialed) {
    const { status, words } = httpFailure(dialed.failure);
    return refuse(asked, answer, status, words);
  }
  const { socket } = dialed;
  if (answer.destroyed || asked.destroyed) return void socket.on('error', () => {}).destroy();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  // With a connection of its own it has no agent, which would use the connection again for another target.
  const sent = request({
    method: asked.method,
    path: isOfWholeServer(asked) ? '*' : place.path,
    headers: headersForTarget(asked, place.authority),
    createConnection: () => socket,
  });
  passOn(asked, sent, answer);
}

/** RFC 9112 section 3.2.4 */
function isOfWholeServer({ method, url }: IncomingMessage): boolean {
  return method === 'OPTIONS' && /^http:\/\/[^/?]*$/i.test(url ?? '');
}

function passOn(asked: IncomingMessage, sent: ClientRequest, answer: ServerResponse): void {
  const fail = (): void => {
    if (answer.headersSent) answer.destroy();
    else refuse(asked, answer, 502, NO_WEB_SERVER);
  };
  sent.on('error', fail);
  // Nobody has asked for another protocol.
  sent.on('upgrade', (_, socket) => {
    socket.destroy();
    fail();
  });
  sent.on('response', (got) => {
    got.on('error', () => {});
    if (writeHead(got, answer)) pipeline(got, answer, () => sent.destroy());
    else {
      sent.destroy();
      fail();
    }
  });
  answer.on('close', () => void sent.destroy());
  asked.pipe(sent);
  sent.on('close', () => {
    asked.unpipe(sent);
    drop(asked);
  });
}

/** False: it cannot be the head of an answer, such as one with the status 000. */
function writeHead(got: IncomingMessage, answer: ServerResponse): boolean {
  const status = got.statusCode ?? 0;
  if (status < 200 || hasUnknownCoding(got)) return false;
  try {
    answer.writeHead(status, got.statusMessage, headersForClient(got));
    return true;
  } catch {
    return false;
  }
}

function refuse(asked: IncomingMessage, answer: ServerResponse, status: number, words: string): void {
  answer.writeHead(status, STATUS_CODES[status], {
    ...(status === 407 ? { 'Proxy-Authenticate': 'Basic realm="teredo"' } : {}),
    'Content-Type': 'text/plain',
    'Content-Length': words.length + 1,
    // A client that is refused holds no descriptor.
    ...(hasMoreBody(asked) ? {} : { Connection: 'close' }),
  });
  answer.end(`${words}\n`);
  drop(asked);
}

/** Reads the rest of a body. While octets wait unread, the kernel drops the answer at the end of the connection. */
function drop(asked: IncomingMessage): void {
  asked.resume();
  if (asked.complete) return;
  const timer = setTimeout(() => asked.socket.destroy(), REST_MS);
  asked.on('close', () => clearTimeout(timer));
  asked.on('end', () => clearTimeout(timer));
}
