import { readUint16, readUint32 } from './bytes.ts';
import type { Ipv6 } from './ipv6.ts';

/** fe80::/10. RFC 4291 section 2.5.6. */
export function isLinkLocal(b: Uint8Array, o: number): boolean {
  return (readUint16(b, o) & 0xffc0) === 0xfe80;
}

/** ff00::/8. RFC 4291 section 2.7. */
export function isMulticast(b: Uint8Array, o: number): boolean {
  return b[o] === 0xff;
}

/** :: */
export function isUnspecified(b: Uint8Array, o: number): boolean {
  return upper96AreZero(b, o) && readUint32(b, o + 12) === 0;
}

/** ::1 */
export function isLoopback(b: Uint8Array, o: number): boolean {
  return upper96AreZero(b, o) && readUint32(b, o + 12) === 1;
}

/**
 * Whether the address cannot be the source of a packet on a network: multicast, and ::/80, which contains the unspecified address,
 * the loopback address and the addresses with an embedded IPv4 address. RFC 4291 section 2.5.
 */
export function isNoSource(b: Uint8Array, o: number): boolean {
  return (
    isMulticast(b, o) || (readUint32(b, o) === 0 && readUint32(b, o + 4) === 0 && readUint16(b, o + 8) === 0)
  );
}

/** fc00::/7 and fec0::/10: valid within a site only. RFC 4193, RFC 3879. */
export function isSiteOnly(b: Uint8Array, o: number): boolean {
  return (b[o]! & 0xfe) === 0xfc || (readUint16(b, o) & 0xffc0) === 0xfec0;
}

/**
 * Whether an address can belong to the native IPv6 Internet: in 2000::/3, which is all that IANA has allocated, and neither Teredo
 * (2001::/32) nor 6to4 (2002::/16, RFC 3056).
 */
export function isNative(b: Uint8Array, o: number): boolean {
  return (b[o]! & 0xe0) === 0x20 && readUint32(b, o) !== 0x2001_0000 && readUint16(b, o) !== 0x2002;
}

/** ff02::1. Shared: do not write into it. */
export const ALL_NODES: Ipv6 = linkScopeMulticast(1);

/** ff02::2. Shared: do not write into it. */
export const ALL_ROUTERS: Ipv6 = linkScopeMulticast(2);

function upper96AreZero(b: Uint8Array, o: number): boolean {
  return readUint32(b, o) === 0 && readUint32(b, o + 4) === 0 && readUint32(b, o + 8) === 0;
}

function linkScopeMulticast(group: number): Ipv6 {
  const address = new Uint8Array(16);
  address.set([0xff, 0x02]);
  address[15] = group;
  return address;
}
