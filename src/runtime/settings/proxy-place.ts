import type { Kind } from './option.ts';
import { ValueError, listenAddressOf } from './parse.ts';
import type { ListenAddress } from './rules.ts';

/** Where clients find a proxy. */
export type ProxyPlace =
  | ({ readonly kind: 'tcp' } & ListenAddress)
  | { readonly kind: 'unix'; readonly path: string };

const UNIX = 'unix:';
/** Octets of a path of a Unix socket. unix(7) */
const MOST_PATH = 107;

export const PROXY_PLACE: Kind<ProxyPlace> = {
  placeholder: '<[address:]port|unix:path>',
  fileType: 'number-or-text',
  parse: proxyPlaceOf,
  textOf: placeInWords,
};

export function proxyPlaceOf(text: string): ProxyPlace {
  if (!text.startsWith(UNIX)) return { kind: 'tcp', ...listenAddressOf(text) };
  const path = text.slice(UNIX.length);
  const length = new TextEncoder().encode(path).length;
  if (length === 0 || path.includes('\0')) throw new ValueError(`"${text}" has no path of a socket in it`);
  if (length > MOST_PATH)
    throw new ValueError(`"${text}" is too long for a socket: ${MOST_PATH} octets at most`);
  return { kind: 'unix', path };
}

export function placeInWords(place: ProxyPlace): string {
  if (place.kind === 'unix') return `${UNIX}${place.path}`;
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}

/** Whether other hosts cannot reach it. */
export function isOfThisHost(place: ProxyPlace): boolean {
  return place.kind === 'unix' || place.host === '::1' || place.host.startsWith('127.');
}
