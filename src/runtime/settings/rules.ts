/**
 * The values that settings may have: the one place of these rules, for the library and for the command line. Each function gives the end of
 * a sentence that begins with the value, or undefined where the value is allowed.
 */
import { MOST_WORKERS } from '../../core/limit-parts.ts';
import { formatIpv4, formatIpv6, isTeredo, parseIpv4, parseIpv6, parsePrefix } from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6Prefix } from '../../wire/index.ts';
import { counted } from '../counted.ts';

/** Undefined: the value is allowed. */
export type Fault = string | undefined;

/** Seconds between two refreshes of a mapping. RFC 4380 section 5.2.5 has 30 s; NATs keep a mapping for at most an hour or so. */
export const REFRESH_SECONDS = { low: 5, high: 3_600 } as const;

/** RFC 4380 section 5.1.1: the length of the client identifier is one octet. */
export const MAX_CLIENT_ID_BYTES = 255;

/** Counts and sizes are bounded by the memory that can be allocated; rates have no natural bound. */
const MOST = 2 ** 31;

/** An address that a host can have. */
export function faultOfHostAddress(address: Ipv4): Fault {
  if (!isWholeNumber(address, 0, 0xffff_ffff)) return 'is not an IPv4 address';
  if (address >>> 24 === 0) return 'stands for any address: name the one to use';
  return address >>> 24 >= 224 ? 'is not the address of a single host' : undefined;
}

/** A UDP port; 0 is not one. */
export function faultOfPort(port: number): Fault {
  return isWholeNumber(port, 1, 65_535) ? undefined : 'is not a UDP port from 1 to 65535';
}

/** Threads of a role. */
export function faultOfWorkers(workers: number): Fault {
  return isWholeNumber(workers, 1, MOST_WORKERS)
    ? undefined
    : `is not a number of workers from 1 to ${MOST_WORKERS}`;
}

/** A host of this one's addresses, and a TCP port there; port 0: any free one. */
export interface ListenAddress {
  /** IPv4 or IPv6 address. */
  readonly host: string;
  readonly port: number;
}

export function faultOfEndpoint({ address, port }: Endpoint): Fault {
  return faultOfHostAddress(address) ?? faultOfPort(port);
}

/** Linux: at most 15 bytes, no slash, no space. */
export function faultOfInterface(name: string): Fault {
  if (typeof name === 'string' && /^[A-Za-z0-9_.-]{1,15}$/.test(name) && name !== '.' && name !== '..')
    return undefined;
  return 'is not a name for an interface: at most 15 letters, digits, ".", "_", "-"';
}

/** The name of a daemon: it becomes a file name. */
export function faultOfName(name: string): Fault {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)
    ? undefined
    : 'is not a name: letters, digits, ".", "_" and "-", at most 64';
}

export function faultOfSeconds(seconds: number, low: number, high: number): Fault {
  const isAllowed = typeof seconds === 'number' && seconds >= low && seconds <= high;
  return isAllowed ? undefined : `is not a number of seconds from ${low} to ${high}`;
}

/** Seconds between the withdrawal of a relay's route and its end. */
export const DRAIN_LIMITS = { low: 0, high: 3_600 } as const;

/** A prefix of native hosts, for a relay to serve. */
export function faultOfNativePrefix({ address, length }: Ipv6Prefix): Fault {
  const whole = parsePrefix(`${formatIpv6(address)}/${length}`);
  if (whole === undefined) return 'is not an IPv6 prefix such as 2001:db8::/32';
  const base = formatIpv6(whole.address);
  if (base !== formatIpv6(address)) return `has bits set behind its length: want ${base}/${length}`;
  return length >= 32 && isTeredo(address, 0) ? 'is of Teredo clients, not of native hosts' : undefined;
}

/** A host by name or IPv4 address; `target` is reached there, such as "a Teredo server", on `port`, if that is always the same. */
export function faultOfHost(host: string, target: string, port?: number): Fault {
  if (typeof host !== 'string' || host.trim() === '') return 'is no name and no address';
  if (parseIpv6(/^\[(.*)\](?::\d*)?$/.exec(host)?.[1] ?? host) !== undefined)
    return `is an IPv6 address: ${target} is reached over IPv4`;
  if (host.includes('/')) return 'is a URL or a prefix: give the name or the address alone';
  if (host.includes(':'))
    return `has a port in it: give the name or the address alone${port === undefined ? '' : `, ${target} is always on UDP port ${port}`}`;
  // A resolver would make some address of any name that ends in a number.
  if (/(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i.test(host)) {
    const address = parseIpv4(host);
    return address === undefined ? 'is not an IPv4 address such as 192.0.2.1' : faultOfHostAddress(address);
  }
  const isName = host.length <= 253 && /^[\p{L}\p{M}\p{N}_-]+(?:\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u.test(host);
  return isName ? undefined : 'is no host name: letters, digits, "-" and "_", with dots between';
}

/** Client and server need two different addresses of a server to tell a symmetric NAT. RFC 4380 section 5.2.1 */
export function faultOfSecondary(secondary: Ipv4, primary: Ipv4): Fault {
  return secondary === primary
    ? `is the server's first address already: give its second, or "none"`
    : faultOfHostAddress(secondary);
}

/** A key for secure qualification. RFC 4380 section 5.2.2 */
export function faultOfClientId(clientId: Uint8Array): Fault {
  if (!(clientId instanceof Uint8Array)) return 'is no Uint8Array';
  const isAllowed = clientId.length >= 1 && clientId.length <= MAX_CLIENT_ID_BYTES;
  return isAllowed
    ? undefined
    : `has ${counted(clientId.length, 'byte')}: 1 to ${MAX_CLIENT_ID_BYTES} are allowed`;
}

export function faultOfSecret(secret: Uint8Array): Fault {
  if (!(secret instanceof Uint8Array)) return 'is no Uint8Array';
  return secret.length === 0 ? 'is empty: it should hold the key' : undefined;
}

/** A limit of a role by its name, of fields (`peers.trusted`) or as on the command line (`by-source.shared.per-second`). */
export function faultOfLimit(name: string, value: number): Fault {
  const isRate = /per-?second$/i.test(name);
  const least = /(?:^|\.)(?:trusted|unverified)/.test(name) ? 1 : 0;
  const isAllowed = isRate
    ? typeof value === 'number' && value >= least && value <= MOST
    : isWholeNumber(value, least, MOST);
  return isAllowed ? undefined : `is not ${isRate ? 'a number' : 'a whole number'} from ${least} to ${MOST}`;
}

/** Callers without types may give words, which JavaScript takes as true. */
export function faultOfSwitch(value: unknown): Fault {
  return typeof value === 'boolean' ? undefined : 'is neither true nor false';
}

/** One of a few words. */
export function faultOfChoice(word: string, choices: readonly string[]): Fault {
  return choices.includes(word) ? undefined : `is none of ${choices.join(', ')}`;
}

/** For messages. */
export function ipv4InWords(address: Ipv4): string {
  return isWholeNumber(address, 0, 0xffff_ffff) ? formatIpv4(address) : String(address);
}

function isWholeNumber(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}
