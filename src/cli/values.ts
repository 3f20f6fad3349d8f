import { InvalidArgumentError } from 'commander';
import { TEREDO_PORT, formatIpv4, parseEndpoint, parseIpv4, parseIpv6, parsePrefix } from '../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';
import type { HostPort } from '../daemon/meeting-point.ts';
import { isControlName } from '../control/control-path.ts';
import {
  faultOfHost,
  faultOfHostAddress,
  faultOfInterface,
  faultOfNativePrefix,
  faultOfPort,
  faultOfSeconds,
} from '../runtime/settings/rules.ts';
import type { Fault } from '../runtime/settings/rules.ts';

/** Where a relay listens unless told otherwise. */
export const RELAY_PORT = 3545;

/** `--announce` of a server and of a relay. */
export const ANNOUNCE_HELP =
  'public IPv4 address by which clients reach --address, where a 1:1 NAT translates one to the other (default: --address)';

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
  refuse(text, faultOfHostAddress(address));
  return address;
}

/** Throws what commander shows with the option's name, where there is a fault. */
function refuse(text: string, fault: Fault): void {
  if (fault !== undefined) throw new InvalidArgumentError(`"${text}" ${fault}.`);
}

/** A relay, on its usual port unless another one is named. */
export function meetingPointValue(text: string): HostPort {
  const at = /^\[|\//.test(text) || parseIpv6(text) !== undefined ? -1 : text.lastIndexOf(':');
  const host = at < 0 ? text : text.slice(0, at);
  if (host === '') throw new InvalidArgumentError(`"${text}" has no name or address in it.`);
  refuse(text, faultOfHost(host, 'a relay'));
  return { host, port: at < 0 ? RELAY_PORT : portValue(text.slice(at + 1)) };
}

/** The second address of a server, or that it has none. */
export function secondaryValue(text: string): Ipv4 | 'none' {
  return text === 'none' ? 'none' : hostAddressValue(text);
}

/** A UDP port; 0 is not one. */
export function portValue(text: string): number {
  const port = wholeNumber(text, 0, Number.MAX_SAFE_INTEGER) ?? NaN;
  refuse(text, faultOfPort(port));
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
    refuse(text, faultOfSeconds(value, low, high));
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
  refuse(text, faultOfNativePrefix({ ...prefix, address: parseIpv6(text.replace(/\/.*/, ''))! }));
  return [...(before ?? []), prefix];
}

/** Linux: at most 15 bytes, no slash, no space. */
export function interfaceValue(text: string): string {
  refuse(text, faultOfInterface(text));
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
  for (const host of hosts) refuse(host, faultOfHost(host, 'a Teredo server', TEREDO_PORT));
  return [...new Set([...(before ?? []), ...hosts])];
}

export function formatHost(name: string, address: Ipv4): string {
  const text = formatIpv4(address);
  return name === text ? text : `${name} (${text})`;
}

export function wholeNumber(text: string, low: number, high: number): number | undefined {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : undefined;
}
