import type { HttpHandler } from '../../control/http-stream.ts';
import type { HttpServer } from './http-server.ts';
import type { HttpRules } from './rules.ts';
import type { HttpSource } from './source.ts';

/** Loads the HTTP server with the first request: a role that is not asked needs no memory for it. */
export function lazyHttp(source: HttpSource, rules: HttpRules): HttpHandler {
  let server: Promise<HttpServer> | undefined;
  return (stream, asker) => {
    server ??= import('./http-server.ts').then(({ HttpServer }) => new HttpServer(source, rules));
    server.then(
      (loaded) => loaded.serve(stream, asker),
      (error: unknown) => {
        server = undefined; // the process may open no more files
        source.log(`warning: HTTP: ${(error as Error).message}`);
        stream.destroy();
      },
    );
  };
}
