/** Parsers of arguments that are no options of a role. */
import {
  countOf,
  endpointOf,
  hostAddressOf,
  ipv6Of,
  portOf,
  secondaryOf,
  secondsOf,
  serversOf,
} from '../runtime/settings/parse.ts';
import { formatIpv4 } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { argument } from './flags.ts';

export const ipv6Value = argument(ipv6Of);
export const hostAddressValue = argument(hostAddressOf);
export const secondaryValue = argument(secondaryOf);
export const portValue = argument(portOf);
export const endpointValue = argument(endpointOf);
export const hostsValue = argument(serversOf);

export function secondsValue(low: number, high: number): (text: string) => number {
  return argument((text: string) => secondsOf(text, low, high));
}

export function countValue(low: number, high: number): (text: string) => number {
  return argument((text: string) => countOf(text, low, high));
}

export function formatHost(name: string, address: Ipv4): string {
  const text = formatIpv4(address);
  return name === text ? text : `${name} (${text})`;
}
