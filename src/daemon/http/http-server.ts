import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MAX_HEAD_BYTES, shortAnswer } from '../../control/http-head.ts';
import type { HttpAsker, HttpHandler } from '../../control/http-stream.ts';
import { App } from './app.ts';
import type { HttpRules } from './rules.ts';
import { send } from './send.ts';
import type { HttpSource } from './source.ts';

/** Node's parser and writer of HTTP. It does not listen: the control socket hands connections over, each for one request. */
export class HttpServer {
  private readonly server: Server;
  private readonly app: App;
  private readonly askers = new WeakMap<Duplex, HttpAsker>();
  private readonly log: (line: string) => void;
  private isWarm = false;

  constructor(source: HttpSource, rules: HttpRules) {
    this.app = new App(source, rules);
    this.log = source.log;
    this.server = createServer({ maxHeaderSize: MAX_HEAD_BYTES }, (request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        this.log(`warning: HTTP: ${(error as Error).message}`);
        response.destroy();
      });
    });
    this.server.on('connect', refuseConnect);
  }

  readonly serve: HttpHandler = (stream, asker) => {
    this.askers.set(stream, asker);
    this.server.emit('connection', stream);
  };

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asker = this.askers.get(request.socket);
    if (asker === undefined) throw new Error('a request without a connection');
    response.on('error', () => {}); // the asker has gone
    const { method = '', url = '', headers } = request;
    const [path, query] = halvesOf(url);
    const isHead = method === 'HEAD';
    const asked = { path, query: new URLSearchParams(query), headers, isHead, asker };
    await this.warmUp();
    const answer = await this.app.answer(method, asked);
    await this.warmUp();
    await send(response, answer, isHead);
    this.isWarm = true;
  }

  /** Code takes longer when it runs for the first time: packets do not wait for all of it at once. */
  private async warmUp(): Promise<void> {
    if (!this.isWarm) await nextTurn();
  }
}

/** Node hands these requests over apart, and gives them no answer. */
function refuseConnect(_: IncomingMessage, stream: Duplex): void {
  stream.end(shortAnswer(405, 'Method Not Allowed', 'Allow: GET, HEAD\r\n'));
}

function halvesOf(url: string): readonly [path: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at)];
}
