import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HttpHandler } from '../../control/http-stream.ts';
import { showsToken } from './shown-token.ts';
import type { HttpServer } from './http-server.ts';
import type { HttpRules } from './rules.ts';
import type { HttpSource } from './source.ts';

/** In an order in which each loads only a few further modules: packets do not wait for all of them at once. */
const PARTS: readonly (() => Promise<unknown>)[] = [
  () => import('node:http'),
  () => import('./metrics.ts'),
  () => import('./app.ts'),
];

/** Loads the modules for HTTP, with a turn of the event loop for each part. */
export async function loadHttp(): Promise<{ readonly HttpServer: typeof HttpServer }> {
  for (const load of PARTS) {
    await load();
    await nextTurn();
  }
  return import('./http-server.ts');
}

/** Loads the HTTP server with the first request: a role that is not asked needs no memory for it. */
export function lazyHttp(source: HttpSource, rules: HttpRules): HttpHandler {
  let server: Promise<HttpServer> | undefined;
  const load = async (): Promise<HttpServer> => {
    const { HttpServer } = await loadHttp();
    await nextTurn();
    const made = new HttpServer(source, rules);
    await nextTurn();
    return made;
  };
  const answer: HttpHandler = (stream, asker) => {
    server ??= load();
    server.then(
      (loaded) => loaded.serve(stream, asker),
      (error: unknown) => {
        server = undefined; // the process may open no more files
        source.log(`warning: HTTP: ${(error as Error).message}`);
        stream.destroy();
      },
    );
  };
  return Object.assign(answer, { showsToken: (head: Uint8Array) => showsToken(head, rules) });
}
