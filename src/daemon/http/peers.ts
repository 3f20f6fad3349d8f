import type { Context } from 'hono';
import { MAX_PEERS } from '../../control/control-protocol.ts';
import type { HttpAsker } from '../../control/http-stream.ts';
import { ListText, aroundList } from '../../control/list-text.ts';
import { streamOf } from './pieces.ts';
import { refused } from './refused.ts';
import type { HttpSource } from './source.ts';

/** How many peers are shown when the request gives no number. */
const USUAL = 1_000;

/** `?limit=`: how many at most. */
export async function answerPeers(c: Context, asker: HttpAsker, source: HttpSource): Promise<Response> {
  const limit = limitOf(c.req.query('limit'));
  if (limit === undefined) return refused(c, 400, `limit: want a whole number from 0 to ${MAX_PEERS}`);
  const answer = await asker.turn(() => source.peers(limit));
  if (answer === undefined) return refused(c, 404, `${source.name} keeps no peers`);
  const text = textOf(answer);
  const body = streamOf(asker, () => text.next().value as string | undefined);
  return c.body(body, 200, { 'Content-Type': 'application/json' });
}

function* textOf({ result, list, items }: NonNullable<ReturnType<HttpSource['peers']>>): Generator<string> {
  const [before, after] = aroundList(result, list);
  yield before;
  const text = new ListText(items);
  for (let piece = text.next(); piece !== undefined; piece = text.next()) yield piece;
  yield after;
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return USUAL;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  return limit === undefined ? undefined : Math.min(limit, MAX_PEERS);
}
