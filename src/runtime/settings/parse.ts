/** Values of options in text. Each function gives the value, or throws a {@link ValueError}. */
import { MAX_ACCESS_PREFIXES } from '../../core/access-list.ts';
import {
  TEREDO_PORT,
  formatIpv4,
  formatIpv4Prefix,
  formatIpv6,
  parseEndpoint,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parsePrefix,
} from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv4Prefix, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import {
  REFRESH_SECONDS,
  faultOfHost,
  faultOfHostAddress,
  faultOfInterface,
  faultOfName,
  faultOfNativePrefix,
  faultOfPort,
  faultOfSeconds,
  faultOfWorkers,
} from './rules.ts';
import type { Fault, ListenAddress } from './rules.ts';

/** A text that is no value of its kind. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/** The UDP port of a relay, unless another one is given. */
export const RELAY_PORT = 3545;

/** A host by name or IPv4 address, and a UDP port of it. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

function refuse(text: string, fault: Fault): void {
  if (fault !== undefined) throw new ValueError(`"${text}" ${fault}`);
}

export function ipv4Of(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) throw new ValueError(`"${text}" is not an IPv4 address such as 192.0.2.1`);
  return address;
}

export function ipv6Of(text: string): Ipv6 {
  const address = parseIpv6(text);
  if (address === undefined) throw new ValueError(`"${text}" is not an IPv6 address such as 2001:db8::1`);
  return address;
}

/** The address of a single host. */
export function hostAddressOf(text: string): Ipv4 {
  const address = ipv4Of(text);
  refuse(text, faultOfHostAddress(address));
  return address;
}

/** The second address of a server, or that it has none. */
export function secondaryOf(text: string): Ipv4 | 'none' {
  return text === 'none' ? 'none' : hostAddressOf(text);
}

/** A UDP port; 0 is not one. */
export function portOf(text: string): number {
  const port = wholeNumberOf(text, 0, Number.MAX_SAFE_INTEGER) ?? NaN;
  refuse(text, faultOfPort(port));
  return port;
}

/** A number of threads. */
export function workersOf(text: string): number {
  const workers = wholeNumberOf(text, 0, Number.MAX_SAFE_INTEGER) ?? NaN;
  refuse(text, faultOfWorkers(workers));
  return workers;
}

/** An address of a host and a UDP port of it: "192.0.2.1:4096". */
export function endpointOf(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined || endpoint.port === 0)
    throw new ValueError(`"${text}" is not an address and port such as 192.0.2.1:4096`);
  hostAddressOf(formatIpv4(endpoint.address));
  return endpoint;
}

/** A relay by name or IPv4 address, with its port or on the usual one. */
export function relayOf(text: string): HostPort {
  const at = /^\[|\//.test(text) || parseIpv6(text) !== undefined ? -1 : text.lastIndexOf(':');
  const host = at < 0 ? text : text.slice(0, at);
  if (host === '') throw new ValueError(`"${text}" has no name or address in it`);
  refuse(text, faultOfHost(host, 'a relay'));
  return { host, port: at < 0 ? RELAY_PORT : portOf(text.slice(at + 1)) };
}

/** An address of this host with a TCP port, or the port alone: on the loopback address then. */
export function listenAddressOf(text: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:(?:\[(.*)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = digits === undefined ? NaN : Number(digits);
  if (!(port <= 65_535))
    throw new ValueError(`"${text}" is not an address and TCP port such as 127.0.0.1:9464 or [::1]:9464`);
  if (bracketed !== undefined) return { host: formatIpv6(ipv6Of(bracketed)), port };
  if (plain === undefined || plain === 'localhost') return { host: '127.0.0.1', port };
  return { host: formatIpv4(ipv4Of(plain)), port };
}

export function secondsOf(text: string, low: number, high: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  refuse(text, faultOfSeconds(value, low, high));
  return value;
}

/** Milliseconds, from seconds; `auto`: the client finds it out. */
export function refreshOf(text: string): number | 'auto' {
  return text === 'auto' ? text : secondsOf(text, REFRESH_SECONDS.low, REFRESH_SECONDS.high) * 1_000;
}

export function countOf(text: string, low: number, high: number): number {
  const value = wholeNumberOf(text, low, high);
  if (value === undefined) throw new ValueError(`"${text}" is not a whole number from ${low} to ${high}`);
  return value;
}

export function wholeNumberOf(text: string, low: number, high: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
}

/** Linux: at most 15 bytes, no slash, no space. */
export function interfaceOf(text: string): string {
  refuse(text, faultOfInterface(text));
  return text;
}

/** The name of a daemon. */
export function nameOf(text: string): string {
  refuse(text, faultOfName(text));
  return text;
}

/** HOST[,HOST...]: names or IPv4 addresses of servers, at least one, none twice; added to those before. */
export function serversOf(text: string, before: readonly string[] = []): string[] {
  const hosts = text.split(',').map((host) => host.trim());
  if (hosts.some((host) => host === '')) throw new ValueError(`"${text}" has an empty server name in it`);
  for (const host of hosts) refuse(host, faultOfHost(host, 'a Teredo server', TEREDO_PORT));
  return [...new Set([...before, ...hosts])];
}

/** A prefix of native hosts, added to those before. */
export function nativePrefixesOf(text: string, before: readonly Ipv6Prefix[] = []): Ipv6Prefix[] {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new ValueError(`"${text}" is not an IPv6 prefix such as 2001:db8::/32`);
  refuse(text, faultOfNativePrefix({ ...prefix, address: parseIpv6(text.replace(/\/.*/, ''))! }));
  return [...before, prefix];
}

/** An IPv4 prefix of an access list, added to those before. */
export function accessPrefixesOf(text: string, before: readonly Ipv4Prefix[] = []): Ipv4Prefix[] {
  const prefix = parseIpv4Prefix(text);
  if (prefix === undefined)
    throw new ValueError(`"${text}" is neither an IPv4 prefix such as 203.0.113.0/24 nor an address`);
  if (parseIpv4(text.replace(/\/.*/, '')) !== prefix.address)
    throw new ValueError(`"${text}" has bits set behind its length: want ${formatIpv4Prefix(prefix)}`);
  if (before.length >= MAX_ACCESS_PREFIXES)
    throw new ValueError(`there are more than ${MAX_ACCESS_PREFIXES} prefixes`);
  return [...before, prefix];
}
