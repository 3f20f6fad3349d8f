/** Serves the dashboard on a loopback port, and passes its requests on to the control sockets of daemons. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { refusalOf } from '../../daemon/http/origin.ts';
import { dashboardPage } from '../../daemon/http/page.ts';
import { answerJson, passEventsOn, passOn, refuse } from './pass-on.ts';
import { routeOf } from './routes.ts';

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
const [MOST_CONNECTIONS, HEAD_BYTES, HEAD_MS, IDLE_MS] = [32, 8_192, 10_000, 30_000];

export async function servePage(daemons: DaemonSource): Promise<PageServer> {
  const token = randomBytes(TOKEN_BYTES).toString('hex');
  const server = createServer(
    { maxHeaderSize: HEAD_BYTES, headersTimeout: HEAD_MS, requestTimeout: HEAD_MS },
    (request, response) => void answer(request, response, token, daemons),
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(IDLE_MS);
  await listening(server);
  const { port } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${LOOPBACK}:${port}/#token=${token}`, close };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      server.off('error', reject);
      server.on('error', () => {}); // the process may open no more files: connections wait
      resolve();
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  daemons: DaemonSource,
): Promise<void> {
  const { method, url = '', headers } = request;
  const route = URL.canParse(url, 'http://localhost') ? routeOf(url) : undefined;
  response.on('error', () => {}); // the reader has gone
  const refusal = refusalOf(
    {
      host: headers.host,
      origin: headers.origin,
      fetchSite: headers['sec-fetch-site'] as string | undefined,
      authorization: headers.authorization,
      isPublic: route?.to === 'page',
    },
    { token },
  );
  if (method !== 'GET' && method !== 'HEAD') refuse(response, 405, 'only GET and HEAD are answered');
  else if (refusal !== undefined) refuse(response, refusal.status, refusal.message);
  else if (route === undefined) refuse(response, 404, `there is no ${url} here`);
  else
    await answerRoute(route, response, daemons).catch((error: unknown) =>
      refuse(response, 502, (error as Error).message),
    );
}

async function answerRoute(
  route: NonNullable<ReturnType<typeof routeOf>>,
  response: ServerResponse,
  daemons: DaemonSource,
): Promise<void> {
  if (route.to === 'page') {
    const { html, headers } = dashboardPage();
    response.writeHead(200, headers);
    response.end(html);
  } else if (route.to === 'daemons') answerJson(response, 200, await daemons.list());
  else if (route.to === 'events') passEventsOn(await daemons.socketOf(route.name), response);
  else await passOn(await daemons.socketOf(route.name), route.asked, response);
}
