/** Which request of the page goes where. */
import { parseRequest } from '../../control/control-protocol.ts';
import type { ControlRequest } from '../../control/control-protocol.ts';

export type Route =
  | { readonly to: 'page' }
  | { readonly to: 'daemons' }
  /** `name`: undefined for the daemon of the command. */
  | { readonly to: 'events'; readonly name: string | undefined }
  | { readonly to: 'daemon'; readonly name: string | undefined; readonly asked: ControlRequest };

const OWN = /^\/api\/v1\/(status|peers|users)$/;
const OF_ONE = /^\/api\/v1\/daemons\/([^/]+)\/(status|peers|users|events)$/;

/** Undefined where nothing is there. */
export function routeOf(url: string): Route | undefined {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  if (pathname === '/') return { to: 'page' };
  if (pathname === '/api/v1/daemons') return { to: 'daemons' };
  if (pathname === '/events') return { to: 'events', name: undefined };
  const own = OWN.exec(pathname)?.[1];
  if (own !== undefined) return asking(undefined, own, searchParams);
  const [, name, what] = OF_ONE.exec(pathname) ?? [];
  const daemon = name === undefined ? undefined : decoded(name);
  if (daemon === undefined || what === undefined) return undefined;
  return what === 'events' ? { to: 'events', name: daemon } : asking(daemon, what, searchParams);
}

/** The request in the control protocol, whose checks hold. */
function asking(name: string | undefined, command: string, values: URLSearchParams): Route | undefined {
  const [limit, window] = [values.get('limit'), values.get('window')];
  const line = {
    command,
    ...(limit === null ? {} : { limit: Number(limit) }),
    ...(window === null ? {} : { window }),
  };
  const asked = parseRequest(JSON.stringify(line));
  return asked === undefined ? undefined : { to: 'daemon', name, asked };
}

function decoded(name: string): string | undefined {
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined; // no UTF-8
  }
}
