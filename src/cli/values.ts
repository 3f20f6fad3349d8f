import { InvalidArgumentError } from 'commander';
import {
  formatIpv4,
  formatIpv6,
  isTeredo,
  parseEndpoint,
  parseIpv4,
  parseIpv6,
  parsePrefix,
} from '../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { isControlName } from '../daemon/control-path.ts';

/** Where a relay listens unless told otherwise. */
export const RELAY_PORT = 3545;

/** Parsers of option values: they give the value, or an error that commander shows with the option's name. */

export function ipv4Value(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined)
    throw new InvalidArgumentError(`"${text}" is not an IPv4 address such as 192.0.2.1.`);
  return address;
}

export function ipv6Value(text: string): Ipv6 {
  const address = parseIpv6(text);
  if (address === undefined)
    throw new InvalidArgumentError(`"${text}" is not an IPv6 address such as 2001:db8::1.`);
  return address;
}

/** An address that a host can have: not a group's, nor what stands for any. */
export function hostAddressValue(text: string): Ipv4 {
  const address = ipv4Value(text);
  const first = address >>> 24;
  if (first === 0) throw new InvalidArgumentError(`"${text}" stands for any address: name the one to use.`);
  if (first >= 224) throw new InvalidArgumentError(`"${text}" is not the address of a single host.`);
  return address;
}

/** A host by name or IPv4 address, and a UDP port of it. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A relay, on its usual port unless another one is named. */
export function meetingPointValue(text: string): HostPort {
  const bracketed = /^\[(.*)\](:\d*)?$/.exec(text)?.[1];
  if (parseIpv6(bracketed ?? text) !== undefined)
    throw new InvalidArgumentError(`"${text}" is an IPv6 address: peers are met over IPv4.`);
  const at = text.indexOf(':');
  const host = at < 0 ? text : text.slice(0, at);
  if (host === '') throw new InvalidArgumentError(`"${text}" has no name or address in it.`);
  if (/^[\d.]+$/.test(host)) hostAddressValue(host);
  return { host, port: at < 0 ? RELAY_PORT : portValue(text.slice(at + 1)) };
}

/** The second address of a server, or that it has none. */
export function secondaryValue(text: string): Ipv4 | 'none' {
  return text === 'none' ? 'none' : hostAddressValue(text);
}

/** Client and server need two different addresses of a server to tell a symmetric NAT. RFC 4380 section 5.2.1 */
export function sameAddressTwice(address: Ipv4): CommandFailure {
  return new CommandFailure(
    EXIT.USAGE,
    `--secondary: ${formatIpv4(address)} is the server's first address already: give its second, or "none"`,
  );
}

/** A UDP port; 0 is not one. */
export function portValue(text: string): number {
  const port = wholeNumber(text, 1, 65_535);
  if (port === undefined) throw new InvalidArgumentError(`"${text}" is not a UDP port from 1 to 65535.`);
  return port;
}

/** An address of a host and a UDP port of it: "192.0.2.1:4096". */
export function endpointValue(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined || endpoint.port === 0)
    throw new InvalidArgumentError(`"${text}" is not an address and port such as 192.0.2.1:4096.`);
  hostAddressValue(formatIpv4(endpoint.address));
  return endpoint;
}

export function secondsValue(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (!(value >= low && value <= high)) {
      throw new InvalidArgumentError(`"${text}" is not a number of seconds from ${low} to ${high}.`);
    }
    return value;
  };
}

export function countValue(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text, low, high);
    if (value === undefined)
      throw new InvalidArgumentError(`"${text}" is not a whole number from ${low} to ${high}.`);
    return value;
  };
}

/** For a variadic option: adds a prefix of native hosts to those before it. */
export function prefixValue(text: string, before: readonly Ipv6Prefix[] | undefined): Ipv6Prefix[] {
  const prefix = parsePrefix(text);
  if (prefix === undefined)
    throw new InvalidArgumentError(`"${text}" is not an IPv6 prefix such as 2001:db8::/32.`);
  const whole = formatIpv6(prefix.address);
  if (formatIpv6(parseIpv6(text.replace(/\/.*/, ''))!) !== whole)
    throw new InvalidArgumentError(
      `"${text}" has bits set behind its length: want ${whole}/${prefix.length}.`,
    );
  if (prefix.length >= 32 && isTeredo(prefix.address, 0))
    throw new InvalidArgumentError(`"${text}" is of Teredo clients, not of native hosts.`);
  return [...(before ?? []), prefix];
}

/** Linux: at most 15 bytes, no slash, no space. */
export function interfaceValue(text: string): string {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(text) || text === '.' || text === '..') {
    throw new InvalidArgumentError(
      `"${text}" is not a name for an interface: at most 15 letters, digits, ".", "_", "-".`,
    );
  }
  return text;
}

export function nameValue(text: string): string {
  if (!isControlName(text)) {
    throw new InvalidArgumentError(`"${text}" is not a name: letters, digits, ".", "_" and "-", at most 64.`);
  }
  return text;
}

/** HOST[,HOST...]: names or IPv4 addresses, at least one, none twice. */
export function hostsValue(text: string, before: readonly string[] | undefined): string[] {
  const hosts = text.split(',').map((host) => host.trim());
  if (hosts.some((host) => host === ''))
    throw new InvalidArgumentError(`"${text}" has an empty server name in it.`);
  for (const host of hosts) {
    if (parseIpv6(host) !== undefined)
      throw new InvalidArgumentError(`"${host}" is an IPv6 address: a Teredo server is reached over IPv4.`);
    // Whatever else consists of digits, a resolver would make some address of.
    if (/^[\d.]+$/.test(host)) hostAddressValue(host);
  }
  return [...new Set([...(before ?? []), ...hosts])];
}

/** The default second address of a server: Windows knows no other (M-8). */
export function nextAddress(address: Ipv4): Ipv4 {
  return (address + 1) >>> 0;
}

export function formatHost(name: string, address: Ipv4): string {
  const text = formatIpv4(address);
  return name === text ? text : `${name} (${text})`;
}

export function wholeNumber(text: string, low: number, high: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
}
