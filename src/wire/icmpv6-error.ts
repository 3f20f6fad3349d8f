import { writeUint32 } from './bytes.ts';
import { extensionLength, isExtension, isFirstFragment } from './extension-headers.ts';
import { ICMPV6, sealIcmpv6 } from './icmpv6.ts';
import type { Ipv6 } from './ipv6.ts';
import { DESTINATION, IPV6_HEADER, NEXT_HEADER, SOURCE, nextHeader, writeIpv6Header } from './ipv6.ts';
import { isMulticast, isUnspecified } from './ipv6-scope.ts';

/** The fields that all ICMPv6 errors have. */
export interface IcmpErrorBasis {
  source: Ipv6;
  /** Default: the source of the offending packet. */
  destination?: Ipv6;
  /** The IPv6 packet that caused the error, header included. */
  offending: Uint8Array;
  /** Default: 64. */
  hopLimit?: number;
}

/** RFC 4443 section 3.1. Like all errors here, at most 1280 octets. */
export function buildUnreachable(error: IcmpErrorBasis & { code: number }): Uint8Array {
  return buildError(ICMPV6.DESTINATION_UNREACHABLE, error.code, 0, error);
}

/** RFC 4443 section 3.2. */
export function buildPacketTooBig(error: IcmpErrorBasis & { mtu: number }): Uint8Array {
  return buildError(ICMPV6.PACKET_TOO_BIG, 0, error.mtu, error);
}

/** RFC 4443 section 3.3. */
export function buildTimeExceeded(error: IcmpErrorBasis & { code: number }): Uint8Array {
  return buildError(ICMPV6.TIME_EXCEEDED, error.code, 0, error);
}

/**
 * Whether the IPv6 packet from `o` to `end` may be answered with an ICMPv6 error. It may not if it is an ICMPv6 error or redirect,
 * if its destination is multicast, or if its source does not identify a single node. RFC 4443 section 2.4 (e).
 */
export function mayCauseIcmpError(b: Uint8Array, o: number, end: number): boolean {
  if (isMulticast(b, o + DESTINATION) || isMulticast(b, o + SOURCE)) return false;
  if (isUnspecified(b, o + SOURCE)) return false;
  const type = icmpv6TypeBehindExtensions(b, o, end);
  return type === 'none' || (type !== 'unseen' && type >= 128 && type !== ICMPV6.REDIRECT);
}

/** RFC 8200 section 5, RFC 4443 section 2.4 (c): an error must not exceed the minimum IPv6 MTU. */
const MAX_ERROR = 1280;

function buildError(type: number, code: number, parameter: number, error: IcmpErrorBasis): Uint8Array {
  const kept = Math.min(error.offending.length, MAX_ERROR - IPV6_HEADER - 8);
  const packet = new Uint8Array(IPV6_HEADER + 8 + kept);
  writeIpv6Header(packet, 0, {
    payloadLength: 8 + kept,
    nextHeader: NEXT_HEADER.ICMPV6,
    hopLimit: error.hopLimit ?? 64,
    source: error.source,
    destination: error.destination ?? error.offending.subarray(SOURCE, SOURCE + 16),
  });
  packet[IPV6_HEADER] = type;
  packet[IPV6_HEADER + 1] = code;
  writeUint32(packet, IPV6_HEADER + 4, parameter);
  packet.set(error.offending.subarray(0, kept), IPV6_HEADER + 8);
  sealIcmpv6(packet, 0);
  return packet;
}

/** `unseen`: the packet is or may be ICMPv6, but its type is in another fragment or was cut off. */
function icmpv6TypeBehindExtensions(b: Uint8Array, o: number, end: number): number | 'none' | 'unseen' {
  let header = nextHeader(b, o);
  let at = o + IPV6_HEADER;
  let firstFragment = true;
  while (isExtension(header) && firstFragment) {
    if (end - at < 8) return 'unseen';
    if (header === NEXT_HEADER.FRAGMENT) firstFragment = isFirstFragment(b, at);
    const length = extensionLength(b, at, header);
    header = b[at];
    at += length;
  }
  if (header !== NEXT_HEADER.ICMPV6) return isExtension(header) ? 'unseen' : 'none';
  return firstFragment && at < end ? b[at] : 'unseen';
}
