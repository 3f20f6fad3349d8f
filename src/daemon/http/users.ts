import { MOST_USERS, USER_WINDOWS } from '../../core/users/index.ts';
import { json, refused } from './answer.ts';
import type { Asked, HttpAnswer } from './answer.ts';
import type { HttpSource } from './source.ts';

/** How many users are shown when the request gives no number. */
const USUAL = 10;

/** `?window=`: the time up to now; `?limit=`: how many clients, and how many prefixes. */
export async function answerUsers({ query, asker }: Asked, source: HttpSource): Promise<HttpAnswer> {
  const window = USER_WINDOWS.find((one) => one === (query.get('window') ?? 'minute'));
  if (window === undefined) return refused(400, `window: want one of ${USER_WINDOWS.join(', ')}`);
  const limit = limitOf(query.get('limit'));
  if (limit === undefined) return refused(400, `limit: want a whole number from 0 to ${MOST_USERS}`);
  await source.gather?.(window);
  const answer = await asker.turn(() => source.users(window, limit));
  return answer === undefined
    ? refused(404, `${source.name} is no relay: only a relay knows its users`)
    : json(answer);
}

function limitOf(text: string | null): number | undefined {
  if (text === null) return USUAL;
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MOST_USERS) : undefined;
}
