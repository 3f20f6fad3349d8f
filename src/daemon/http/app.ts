import { verdictOn } from '../readiness.ts';
import { recentEvents } from '../recent-events.ts';
import { json, refused, text } from './answer.ts';
import type { Asked, HttpAnswer } from './answer.ts';
import { EventStreams } from './event-streams.ts';
import { answerEvents } from './events.ts';
import { METRICS_TYPE } from './exposition.ts';
import { Metrics } from './metrics.ts';
import { refusalOfHeaders, refusalOfMethod } from './gate.ts';
import type { HttpRules } from './rules.ts';
import { pageAnswer } from './page.ts';
import { answerPeers } from './peers.ts';
import type { HttpSource } from './source.ts';
import { answerUsers } from './users.ts';

type Answerer = (asked: Asked) => HttpAnswer | Promise<HttpAnswer>;

/** Answered without a token. */
const PAGE = '/';

/** The HTTP of a daemon. Nothing here changes the daemon. */
export class App {
  private readonly source: HttpSource;
  private readonly rules: HttpRules;
  private readonly routes: ReadonlyMap<string, Answerer>;

  constructor(source: HttpSource, rules: HttpRules) {
    this.source = source;
    this.rules = rules;
    this.routes = routesTo(source, (asked) => this.refusalOf(asked) === undefined);
  }

  /** Never rejects. */
  async answer(method: string, asked: Asked): Promise<HttpAnswer> {
    const refusal = refusalOfMethod(method) ?? this.refusalOf(asked);
    if (refusal !== undefined) return refusal;
    const route = this.routes.get(asked.path);
    if (route === undefined) return refused(404, `there is no ${asked.path} here`);
    try {
      return await route(asked);
    } catch (error) {
      const { message } = error as Error;
      this.source.log(`warning: HTTP: cannot answer ${asked.path}: ${message}`);
      return refused(500, `the daemon failed to answer: ${message}`);
    }
  }

  private refusalOf({ headers, path, asker }: Asked): HttpAnswer | undefined {
    return asker.isRemote ? refusalOfHeaders(headers, path === PAGE, this.rules) : undefined;
  }
}

function routesTo(source: HttpSource, isPermitted: (asked: Asked) => boolean): ReadonlyMap<string, Answerer> {
  const metrics = new Metrics(source, recentEvents);
  const streams = new EventStreams();
  return new Map<string, Answerer>([
    [PAGE, pageAnswer],
    ['/livez', () => json({ version: 1, live: true })],
    ['/readyz', (asked) => answerReady(asked, source)],
    [
      '/metrics',
      async ({ asker }) => text((await metrics.text(asker)) ?? '', { 'Content-Type': METRICS_TYPE }),
    ],
    ['/events', (asked) => answerEvents(asked, source, recentEvents, streams, () => isPermitted(asked))],
    ['/api/v1/status', async ({ asker }) => json(await asker.turn(() => source.status()))],
    ['/api/v1/peers', (asked) => answerPeers(asked, source)],
    ['/api/v1/users', (asked) => answerUsers(asked, source)],
  ]);
}

async function answerReady({ asker }: Asked, source: HttpSource): Promise<HttpAnswer> {
  const ready = await asker.turn(() => verdictOn(source.status()));
  return json(ready, ready?.ready === true ? 200 : 503);
}
