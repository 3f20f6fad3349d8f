/** Which request of the page goes where. */

export type Route =
  | { readonly to: 'page' }
  | { readonly to: 'daemons' }
  /** `name`: undefined for the daemon of the command. `url`: of the daemon's own HTTP. */
  | { readonly to: 'daemon'; readonly name: string | undefined; readonly url: string };

const OF_ONE = /^\/api\/v1\/daemons\/([^/?]+)\/(status|peers|users|events)(?=\?|$)/;

/** What is not known here is the daemon's to answer. */
export function routeOf(url: string): Route {
  const [path] = url.split('?', 1);
  if (path === '/') return { to: 'page' };
  if (path === '/api/v1/daemons') return { to: 'daemons' };
  const [whole, given, list] = OF_ONE.exec(url) ?? [];
  const name = given === undefined ? undefined : decoded(given);
  if (name === undefined || whole === undefined) return { to: 'daemon', name: undefined, url };
  const own = list === 'events' ? '/events' : `/api/v1/${list}`;
  return { to: 'daemon', name, url: own + url.slice(whole.length) };
}

function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined; // no UTF-8
  }
}
