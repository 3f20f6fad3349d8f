/** Which requests over TCP are answered at all. */
import type { IncomingHttpHeaders } from 'node:http';
import { refused } from './answer.ts';
import type { HttpAnswer } from './answer.ts';
import { refusalOf } from './origin.ts';
import type { HttpRules } from './rules.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Undefined of a method that is answered. */
export function refusalOfMethod(method: string): HttpAnswer | undefined {
  if (METHODS.has(method)) return undefined;
  return refused(405, 'only GET and HEAD are answered', { Allow: 'GET, HEAD' });
}

/** Of a request over TCP; undefined where it is answered. `isPublic`: see {@link refusalOf}. */
export function refusalOfHeaders(
  headers: IncomingHttpHeaders,
  isPublic: boolean,
  rules: HttpRules,
): HttpAnswer | undefined {
  const provenance = {
    host: headers.host,
    origin: headers.origin,
    fetchSite: headers['sec-fetch-site'] as string | undefined,
    authorization: headers.authorization,
    isPublic,
  };
  const refusal = refusalOf(provenance, rules);
  return refusal === undefined ? undefined : refused(refusal.status, refusal.message);
}
