import { copyBytes, readUint16, writeUint16, writeUint32 } from './bytes.ts';

/** A standalone IPv6 address: 16 octets. */
export type Ipv6 = Uint8Array;

/** Octets of the fixed IPv6 header. RFC 8200 section 3. */
export const IPV6_HEADER = 40;

/** Offset of the Hop Limit in the IPv6 header. */
export const HOP_LIMIT = 7;
/** Offsets of the two addresses in the IPv6 header. */
export const SOURCE = 8;
export const DESTINATION = 24;

/** Next Header values (IANA protocol numbers). */
export const NEXT_HEADER = {
  HOP_BY_HOP: 0,
  TCP: 6,
  UDP: 17,
  ROUTING: 43,
  FRAGMENT: 44,
  AUTHENTICATION: 51,
  ICMPV6: 58,
  NONE: 59,
  DESTINATION_OPTIONS: 60,
  MOBILITY: 135,
  HOST_IDENTITY: 139,
  SHIM6: 140,
} as const;

export function version(b: Uint8Array, o: number): number {
  return b[o] >>> 4;
}

export function trafficClass(b: Uint8Array, o: number): number {
  return ((b[o] & 0x0f) << 4) | (b[o + 1] >>> 4);
}

export function payloadLength(b: Uint8Array, o: number): number {
  return readUint16(b, o + 4);
}

export function nextHeader(b: Uint8Array, o: number): number {
  return b[o + 6];
}

export function hopLimit(b: Uint8Array, o: number): number {
  return b[o + HOP_LIMIT];
}

export interface Ipv6Header {
  payloadLength: number;
  nextHeader: number;
  hopLimit: number;
  source: Uint8Array;
  destination: Uint8Array;
  trafficClass?: number;
}

/** Writes the fixed header, flow label 0. */
export function writeIpv6Header(b: Uint8Array, o: number, header: Ipv6Header): void {
  writeUint32(b, o, 0x60000000 | ((header.trafficClass ?? 0) << 20));
  writeUint16(b, o + 4, header.payloadLength);
  b[o + 6] = header.nextHeader;
  b[o + HOP_LIMIT] = header.hopLimit;
  copyBytes(header.source, 0, b, o + SOURCE, 16);
  copyBytes(header.destination, 0, b, o + DESTINATION, 16);
}

/** Why the octets at an offset are not one whole IPv6 packet. */
export type Ipv6Reason = 'not-ipv6' | 'truncated-ipv6';

/** Checks the version, and that header and payload fit before `end`. Octets after the payload are allowed. C-17 */
export function checkIpv6(b: Uint8Array, o: number, end: number): Ipv6Reason | undefined {
  if (o >= end) return 'truncated-ipv6';
  if (version(b, o) !== 6) return 'not-ipv6';
  if (end - o < IPV6_HEADER || end - o < IPV6_HEADER + payloadLength(b, o)) return 'truncated-ipv6';
  return undefined;
}
