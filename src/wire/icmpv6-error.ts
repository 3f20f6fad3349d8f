import { writeUint32 } from './bytes.ts';
import { extensionLength, isExtension, isFirstFragment } from './extension-headers.ts';
import { ICMPV6, sealIcmpv6 } from './icmpv6.ts';
import type { Ipv6 } from './ipv6.ts';
import { DESTINATION, IPV6_HEADER, NEXT_HEADER, SOURCE, nextHeader, writeIpv6Header } from './ipv6.ts';
import { isMulticast, isUnspecified } from './ipv6-scope.ts';

/** What every ICMPv6 error needs. */
export interface IcmpErrorBasis {
  source: Ipv6;
  /** The source of the offending packet when left out. */
  destination?: Ipv6;
  /** The IPv6 packet that caused the error, from its header on. */
  offending: Uint8Array;
  /** 64 when left out. */
  hopLimit?: number;
}

/** RFC 4443 section 3.1. At most 1280 octets, as all errors here. */
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
 * Whether the IPv6 packet from `o` to `end` may be answered with an ICMPv6 error: not an ICMPv6 error or redirect itself,
 * not to a group, not from an address that is no single node's. RFC 4443 section 2.4 (e).
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

/** `unseen`: it is or may be ICMPv6, but its type is in another fragment or cut off. */
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
