import type { Context } from 'hono';
import type { HttpAsker } from '../../control/http-stream.ts';
import { MOST_USERS, USER_WINDOWS } from '../../core/users/index.ts';
import { refused } from './refused.ts';
import type { HttpSource } from './source.ts';

/** How many users are shown when the request gives no number. */
const USUAL = 10;

/** `?window=`: the time up to now; `?limit=`: how many clients, and how many prefixes. */
export async function answerUsers(c: Context, asker: HttpAsker, source: HttpSource): Promise<Response> {
  const window = USER_WINDOWS.find((one) => one === (c.req.query('window') ?? 'minute'));
  if (window === undefined) return refused(c, 400, `window: want one of ${USER_WINDOWS.join(', ')}`);
  const limit = limitOf(c.req.query('limit'));
  if (limit === undefined) return refused(c, 400, `limit: want a whole number from 0 to ${MOST_USERS}`);
  const answer = await asker.turn(() => source.users(window, limit));
  if (answer === undefined)
    return refused(c, 404, `${source.name} is no relay: only a relay knows its users`);
  return c.json(answer);
}

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return USUAL;
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MOST_USERS) : undefined;
}
