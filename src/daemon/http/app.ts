import { Hono } from 'hono';
import type { Context } from 'hono';
import type { HttpAsker } from '../../control/http-stream.ts';
import { verdictOn } from '../readiness.ts';
import { recentEvents } from '../recent-events.ts';
import { EventStreams } from './event-streams.ts';
import { answerEvents } from './events.ts';
import { METRICS_TYPE, Metrics } from './metrics.ts';
import { refusalOf } from './origin.ts';
import type { HttpRules } from './rules.ts';
import { dashboardPage } from './page.ts';
import { answerPeers } from './peers.ts';
import { refused } from './refused.ts';
import type { HttpSource } from './source.ts';
import { answerUsers } from './users.ts';

/** Data of a request beside its headers. */
export interface Bindings {
  readonly asker: HttpAsker | undefined;
}

type Env = { Bindings: Bindings };

/** An answer holds addresses of peers: no other page may use it, and no cache keep it. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};
/** Answered without a token. */
const PUBLIC: ReadonlySet<string> = new Set(['/']);

/** The HTTP of a daemon. Nothing here changes the daemon. */
export function makeApp(source: HttpSource, rules: HttpRules): Hono<Env> {
  const app = new Hono<Env>();
  const metrics = new Metrics(source, recentEvents);
  const streams = new EventStreams();
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(HEADERS)) if (!c.res.headers.has(name)) c.header(name, value);
  });
  app.use((c, next) => {
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return next(); // the same routes answer both
    c.header('Allow', 'GET, HEAD');
    return Promise.resolve(refused(c, 405, 'only GET and HEAD are answered'));
  });
  app.use((c, next) => {
    const refusal = askerOf(c).isRemote ? refusalOf(provenanceOf(c), rules) : undefined;
    return refusal === undefined ? next() : Promise.resolve(refused(c, refusal.status, refusal.message));
  });

  app.get('/', (c) => {
    const { html, headers } = dashboardPage();
    return c.body(html, 200, headers);
  });
  app.get('/livez', (c) => c.json({ version: 1, live: true }));
  app.get('/readyz', async (c) => {
    const ready = await askerOf(c).turn(() => verdictOn(source.status()));
    return c.json(ready, ready?.ready === true ? 200 : 503);
  });
  app.get('/metrics', async (c) =>
    c.body((await metrics.text(askerOf(c))) ?? '', 200, { 'Content-Type': METRICS_TYPE }),
  );
  app.get('/events', (c) => answerEvents(c, askerOf(c), source, recentEvents, streams));
  app.get('/api/v1/status', async (c) => c.json(await askerOf(c).turn(() => source.status())));
  app.get('/api/v1/peers', (c) => answerPeers(c, askerOf(c), source));
  app.get('/api/v1/users', (c) => answerUsers(c, askerOf(c), source));

  app.notFound((c) => refused(c, 404, `there is no ${c.req.path} here`));
  app.onError((error, c) => {
    source.log(`warning: HTTP: cannot answer ${c.req.path}: ${error.message}`);
    return refused(c, 500, `the daemon failed to answer: ${error.message}`);
  });
  return app;
}

function askerOf(c: Context<Env>): HttpAsker {
  const { asker } = c.env;
  if (asker === undefined) throw new Error('a request without a connection');
  return asker;
}

function provenanceOf(c: Context<Env>): Parameters<typeof refusalOf>[0] {
  return {
    host: c.req.header('Host'),
    origin: c.req.header('Origin'),
    fetchSite: c.req.header('Sec-Fetch-Site'),
    authorization: c.req.header('Authorization'),
    isPublic: PUBLIC.has(c.req.path),
  };
}
