import { IPV6_HEADER, NEXT_HEADER, nextHeader, payloadLength } from './ipv6.ts';

/** The deprecated routing header: each node in its list forwards the packet to the next one. RFC 5095 */
const SOURCE_ROUTE = 0;
/** Octets of the shortest extension header. */
const SHORTEST = 8;
const TYPE = 2;
const FRAGMENT_OFFSET = 2;
const MORE_FRAGMENTS = 1;

/**
 * Whether this Next Header value is that of an extension header that contains its own length. RFC 7045 section 4. False for ESP, which hides all that
 * follows.
 */
export function isExtension(header: number): boolean {
  switch (header) {
    case NEXT_HEADER.HOP_BY_HOP:
    case NEXT_HEADER.ROUTING:
    case NEXT_HEADER.FRAGMENT:
    case NEXT_HEADER.AUTHENTICATION:
    case NEXT_HEADER.DESTINATION_OPTIONS:
    case NEXT_HEADER.MOBILITY:
    case NEXT_HEADER.HOST_IDENTITY:
    case NEXT_HEADER.SHIM6:
      return true;
    default:
      return false;
  }
}

/** Octets of the extension header at an offset, whose Next Header value is `header`. RFC 8200 section 4, RFC 4302 section 2.2 */
export function extensionLength(b: Uint8Array, at: number, header: number): number {
  if (header === NEXT_HEADER.FRAGMENT) return 8;
  return header === NEXT_HEADER.AUTHENTICATION ? 4 * (b[at + 1] + 2) : 8 * (b[at + 1] + 1);
}

/** Whether the fragment header at an offset is that of a packet's first fragment, or of its only one. */
export function isFirstFragment(b: Uint8Array, at: number): boolean {
  return (b[at + FRAGMENT_OFFSET] | (b[at + FRAGMENT_OFFSET + 1] & 0xf8)) === 0;
}

/**
 * Whether the whole IPv6 packet at an offset has, or may have, a routing header of type 0. It may have one if it is a first fragment whose
 * extension headers continue in the next fragment, which RFC 7112 forbids. RFC 6169 section 2.3.3, RFC 5095
 */
export function isSourceRouted(b: Uint8Array, o: number): boolean {
  let header = nextHeader(b, o);
  if (!isExtension(header)) return false;
  const end = o + IPV6_HEADER + payloadLength(b, o);
  let at = o + IPV6_HEADER;
  let hasMore = false;
  while (isExtension(header)) {
    if (header === NEXT_HEADER.ROUTING && at + TYPE < end && b[at + TYPE] === SOURCE_ROUTE) return true;
    if (end - at < SHORTEST) return hasMore;
    if (header === NEXT_HEADER.FRAGMENT) {
      if (!isFirstFragment(b, at)) return false;
      hasMore ||= (b[at + FRAGMENT_OFFSET + 1] & MORE_FRAGMENTS) !== 0;
    }
    const length = extensionLength(b, at, header);
    header = b[at];
    at += length;
  }
  return false;
}

/** Where the header of a packet's upper layer is, and its protocol. */
export interface UpperLayer {
  readonly protocol: number;
  readonly at: number;
}

/**
 * The upper layer of the IPv6 packet `b[start, end)`, behind its extension headers. An authentication header counts as an upper layer: two hosts
 * that use it have agreed on it. Undefined for a fragment that is not the first one, and where the headers leave the packet.
 */
export function upperLayer(b: Uint8Array, start: number, end: number): UpperLayer | undefined {
  let protocol = nextHeader(b, start);
  let at = start + IPV6_HEADER;
  while (isExtension(protocol) && protocol !== NEXT_HEADER.AUTHENTICATION) {
    if (end - at < SHORTEST) return undefined;
    if (protocol === NEXT_HEADER.FRAGMENT && !isFirstFragment(b, at)) return undefined;
    const length = extensionLength(b, at, protocol);
    protocol = b[at]!;
    at += length;
  }
  return at <= end ? { protocol, at } : undefined;
}
