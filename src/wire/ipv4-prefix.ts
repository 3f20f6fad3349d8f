import { formatIpv4, parseIpv4 } from './ipv4.ts';
import type { Ipv4 } from './ipv4.ts';

/** An IPv4 prefix; the bits of `address` past `length` are zero. */
export interface Ipv4Prefix {
  address: Ipv4;
  length: number;
}

/** Reads "192.0.2.0/24", or "192.0.2.1", which means a /32. Bits past the length are cleared. */
export function parseIpv4Prefix(text: string): Ipv4Prefix | undefined {
  const match = /^([\d.]+)(?:\/(0|[1-9]\d?))?$/.exec(text);
  if (match === null) return undefined;
  const address = parseIpv4(match[1]);
  const length = Number(match[2] ?? 32);
  if (address === undefined || length > 32) return undefined;
  return { address: (address & ipv4Mask(length)) >>> 0, length };
}

/** "192.0.2.0/24" */
export function formatIpv4Prefix({ address, length }: Ipv4Prefix): string {
  return `${formatIpv4(address)}/${length}`;
}

/** Whether the address lies in the prefix. */
export function inIpv4Prefix(address: Ipv4, prefix: Ipv4Prefix): boolean {
  return ((address ^ prefix.address) & ipv4Mask(prefix.length)) === 0;
}

/** The bits of an address that a prefix of `length` bits covers. */
export function ipv4Mask(length: number): number {
  return length === 0 ? 0 : (-1 << (32 - length)) >>> 0;
}
