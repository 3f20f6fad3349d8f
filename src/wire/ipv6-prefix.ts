import type { Ipv6 } from './ipv6.ts';
import { parseIpv6 } from './ipv6-text.ts';

/** An IPv6 prefix; the bits of `address` past `length` are zero. */
export interface Ipv6Prefix {
  address: Ipv6;
  length: number;
}

/** Reads "2001:db8::/32"; bits past the length are cleared. */
export function parsePrefix(text: string): Ipv6Prefix | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return undefined;
  const address = parseIpv6(match[1]);
  const length = Number(match[2]);
  if (address === undefined || length > 128) return undefined;
  for (let i = 0; i < 16; i++) address[i] &= octetMask(length, i);
  return { address, length };
}

/** Whether the address at an offset lies in the prefix. */
export function inPrefix(b: Uint8Array, o: number, prefix: Ipv6Prefix): boolean {
  for (let i = 0; 8 * i < prefix.length; i++) {
    if (((b[o + i] ^ prefix.address[i]) & octetMask(prefix.length, i)) !== 0) return false;
  }
  return true;
}

/** The part of octet `i` that a prefix of `length` bits covers. */
function octetMask(length: number, i: number): number {
  const bits = Math.min(8, Math.max(0, length - 8 * i));
  return (0xff00 >>> bits) & 0xff;
}
