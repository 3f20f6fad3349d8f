/** Serves the dashboard on a loopback port, and passes its requests on to the control sockets of daemons. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json, refused } from '../../daemon/http/answer.ts';
import type { HttpAnswer } from '../../daemon/http/answer.ts';
import { refusalOfHeaders, refusalOfMethod } from '../../daemon/http/gate.ts';
import { pageAnswer } from '../../daemon/http/page.ts';
import { send } from '../../daemon/http/send.ts';
import { answerOf } from './pass-on.ts';
import type { Passed } from './pass-on.ts';
import { Places } from './places.ts';
import { routeOf } from './routes.ts';
import type { Route } from './routes.ts';

/** The daemons that the page may ask. */
export interface DaemonSource {
  /** For the switch of the page. */
  readonly list: () => Promise<unknown>;
  /** The control socket of this daemon, or of that of the command. Rejects where there is none. */
  readonly socketOf: (name: string | undefined) => Promise<string>;
}

export interface PageServer {
  readonly url: string;
  readonly close: () => void;
}

const LOOPBACK = '127.0.0.1';
const TOKEN_BYTES = 16;
const [HEAD_BYTES, HEAD_MS, IDLE_MS] = [8_192, 10_000, 30_000];
/**
 * Connections that the kernel keeps while this process is busy. It drops further ones, and a browser that meets that waits for a second. The kernel's own limit for
 * all programs (somaxconn).
 */
const BACKLOG = 4_096;
/** How often connections are looked at whose head has not come in time. */
const LOOK_MS = 1_000;

export async function servePage(daemons: DaemonSource): Promise<PageServer> {
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  const limits = {
    maxHeaderSize: HEAD_BYTES,
    headersTimeout: HEAD_MS,
    requestTimeout: HEAD_MS,
    connectionsCheckingInterval: LOOK_MS,
  };
  const server = createServer(limits, (request, response) => void answer(request, response, token, daemons));
  server.maxRequestsPerSocket = 1;
  server.setTimeout(IDLE_MS);
  const places = new Places();
  server.on('connection', (socket) => places.take(socket, performance.now()));
  await listening(server);
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
    places.close();
  };
  return { url: `http://${LOOPBACK}:${port}/#token=${token}`, close };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host: LOOPBACK, backlog: BACKLOG }, () => {
      server.off('error', reject);
      server.on('error', () => {}); // the process may open no more files: connections wait
      resolve();
    });
  });
}

/** Never rejects. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  daemons: DaemonSource,
): Promise<void> {
  response.on('error', () => {}); // the reader has gone
  const { method = '', url = '', headers } = request;
  const route = routeOf(url);
  const isHead = method === 'HEAD';
  const refusal = refusalOfMethod(method) ?? refusalOfHeaders(headers, route.to === 'page', { token });
  try {
    const given =
      refusal ?? (await answerTo(route, daemons, { isHead, lastEventId: lastEventIdOf(request) }));
    await send(response, given, isHead);
  } catch {
    response.destroy(); // the daemon has ended amid its answer
  }
}

async function answerTo(
  route: Route,
  daemons: DaemonSource,
  asked: Omit<Passed, 'url'>,
): Promise<HttpAnswer> {
  try {
    if (route.to === 'page') return pageAnswer();
    if (route.to === 'daemons') return json(await daemons.list());
    return await answerOf(await daemons.socketOf(route.name), { ...asked, url: route.url });
  } catch (error) {
    return refused(502, (error as Error).message);
  }
}

function lastEventIdOf({ headers }: IncomingMessage): string | undefined {
  const given = headers['last-event-id'];
  return typeof given === 'string' ? given : undefined;
}
