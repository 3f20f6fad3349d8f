/** Which requests over TCP are answered. A browser on this host would send requests for pages of other sites, too. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { HttpRules } from './rules.ts';

/** The headers of a request that decide. */
export interface Provenance {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly authorization: string | undefined;
  /** Contents that need no token: a page without data. */
  readonly isPublic: boolean;
}

export interface Refusal {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/** Why a request over TCP is not answered; undefined where it is. */
export function refusalOf(asked: Provenance, { token }: HttpRules): Refusal | undefined {
  // Without the token the page shows nothing, so a file may lead there.
  if (isOfOtherSite(asked) && (token === undefined || !asked.isPublic))
    return { status: 403, message: 'pages of other origins get no answer' };
  // A page of another site does not have the token.
  if (token !== undefined && hasToken(asked.authorization, token)) return undefined;
  if (token !== undefined && !asked.isPublic)
    return {
      status: 401,
      message:
        'this needs the token of --listen-token, or of the URL of "teredo dashboard" (Authorization: Bearer)',
    };
  if (token === undefined && !isHere(asked.host))
    return { status: 421, message: 'ask by the IP address or as "localhost"' };
  return undefined;
}

/** By the headers of browsers; other programs do not send them. */
function isOfOtherSite({ origin, host, fetchSite }: Provenance): boolean {
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') return true;
  return origin !== undefined && origin !== `http://${host}`;
}

/** Against DNS rebinding: a page's own name may be made to resolve to an address of this host. */
function isHere(host = ''): boolean {
  const name = host.replace(/:\d+$/, '');
  return name.toLowerCase() === 'localhost' || isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

/** Takes the same time for every wrong token. */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
