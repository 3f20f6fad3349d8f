import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { HttpAsker, HttpHandler } from '../../control/http-stream.ts';
import { MAX_HEAD_BYTES } from '../../control/http-head.ts';
import { makeApp } from './app.ts';
import type { HttpRules } from './rules.ts';
import type { HttpSource } from './source.ts';

/** Node's parser and writer of HTTP. It does not listen: the control socket hands connections over, each for one request. */
export class HttpServer {
  private readonly server: Server;
  private readonly askers = new WeakMap<Duplex, HttpAsker>();

  constructor(source: HttpSource, rules: HttpRules) {
    const app = makeApp(source, rules);
    const listener = getRequestListener(
      (request, { incoming }) => app.fetch(request, { asker: this.askers.get(incoming.socket) }),
      { overrideGlobalObjects: false },
    );
    this.server = createServer({ maxHeaderSize: MAX_HEAD_BYTES }, (request, response) => {
      response.setHeader('Connection', 'close');
      listener(request, response).catch((error: unknown) => {
        source.log(`warning: HTTP: ${(error as Error).message}`);
        response.destroy();
      });
    });
  }

  readonly serve: HttpHandler = (stream, asker) => {
    this.askers.set(stream, asker);
    this.server.emit('connection', stream);
  };
}
