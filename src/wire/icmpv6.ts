import { writeUint16 } from './bytes.ts';
import { transportChecksum } from './checksum.ts';
import type { Ipv6 } from './ipv6.ts';
import { IPV6_HEADER, NEXT_HEADER, nextHeader, payloadLength, writeIpv6Header } from './ipv6.ts';

/** ICMPv6 types. RFC 4443, RFC 4861. */
export const ICMPV6 = {
  DESTINATION_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  RS: 133,
  RA: 134,
  NS: 135,
  NA: 136,
  REDIRECT: 137,
} as const;

/**
 * Whether the (whole) IPv6 packet at `o` carries ICMPv6 directly after its header, with at least type, code and checksum, and
 * a correct checksum. False if an extension header (a fragment header, too) comes first.
 */
export function checkIcmpv6(b: Uint8Array, o: number): boolean {
  const length = payloadLength(b, o);
  if (nextHeader(b, o) !== NEXT_HEADER.ICMPV6 || length < 4) return false;
  return transportChecksum(b, o, NEXT_HEADER.ICMPV6, o + IPV6_HEADER, o + IPV6_HEADER + length) === 0;
}

export function icmpv6Type(b: Uint8Array, o: number): number {
  return b[o + IPV6_HEADER];
}

export function icmpv6Code(b: Uint8Array, o: number): number {
  return b[o + IPV6_HEADER + 1];
}

/** An echo request or reply. RFC 4443 section 4. */
export interface Echo {
  source: Ipv6;
  destination: Ipv6;
  hopLimit: number;
  identifier: number;
  sequence: number;
  data: Uint8Array;
}

export function buildEchoRequest(echo: Echo): Uint8Array {
  return buildEcho(ICMPV6.ECHO_REQUEST, echo);
}

export function buildEchoReply(echo: Echo): Uint8Array {
  return buildEcho(ICMPV6.ECHO_REPLY, echo);
}

/** Range of the data of an echo request or reply; empty if the message is too short to have any. */
export function echoData(b: Uint8Array, o: number): { start: number; end: number } {
  const start = o + IPV6_HEADER + 8;
  return { start, end: Math.max(start, o + IPV6_HEADER + payloadLength(b, o)) };
}

/** Offset of the checksum in an ICMPv6 packet without extension headers. */
export const ICMPV6_CHECKSUM = IPV6_HEADER + 2;

/** Stores the checksum of the ICMPv6 message in the packet at `o`, whose IPv6 header is complete. */
export function sealIcmpv6(b: Uint8Array, o: number): void {
  const start = o + IPV6_HEADER;
  writeUint16(b, start + 2, 0);
  writeUint16(b, start + 2, transportChecksum(b, o, NEXT_HEADER.ICMPV6, start, start + payloadLength(b, o)));
}

function buildEcho(type: number, echo: Echo): Uint8Array {
  const length = 8 + echo.data.length;
  const packet = new Uint8Array(IPV6_HEADER + length);
  writeIpv6Header(packet, 0, { ...echo, payloadLength: length, nextHeader: NEXT_HEADER.ICMPV6 });
  packet[IPV6_HEADER] = type;
  writeUint16(packet, IPV6_HEADER + 4, echo.identifier);
  writeUint16(packet, IPV6_HEADER + 6, echo.sequence);
  packet.set(echo.data, IPV6_HEADER + 8);
  sealIcmpv6(packet, 0);
  return packet;
}
