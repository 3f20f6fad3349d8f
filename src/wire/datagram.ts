import type { Authentication } from './authentication.ts';
import { parseAuthentication } from './authentication.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Ipv6Reason } from './ipv6.ts';
import { IPV6_HEADER, checkIpv6, payloadLength } from './ipv6.ts';
import { ORIGIN_LENGTH, originAddress, originPort } from './origin.ts';

/** Why a UDP payload is not a Teredo datagram. */
export type DecodeReason =
  | 'empty'
  | 'unknown-header'
  | 'truncated-authentication'
  | 'duplicate-authentication'
  | 'truncated-origin'
  | 'duplicate-origin'
  | 'misordered-headers'
  | Ipv6Reason;

/** Where the parts of a Teredo datagram lie. Made once, filled by each decode; meaningless after a refusal. */
export class DatagramView {
  hasAuthentication = false;
  authentication: Authentication | undefined = undefined;
  hasOrigin = false;
  /** Offset of the origin indication; set only with `hasOrigin`, as address and port. */
  originStart = 0;
  originAddress: Ipv4 = 0;
  originPort = 0;
  ipv6Start = 0;
  /** End of the IPv6 packet as its payload length says; trailers are from here to `trailersEnd`. */
  ipv6End = 0;
  /** End of the datagram. */
  trailersEnd = 0;
  /** TOS octet of the outer IPv4 packet. It is not in the payload: the machine that decodes sets it. */
  tos = 0;
}

/**
 * Decodes the UDP payload from `start` to `end`: `[authentication] [origin indication] IPv6 packet, trailers`. Returns
 * `undefined` if it is well formed, else the reason. RFC 4380 sections 5.1.1 and 5.2.3, RFC 6081 section 4. C-10 to C-17
 */
export function decodeDatagram(
  b: Uint8Array,
  start: number,
  end: number,
  into: DatagramView,
): DecodeReason | undefined {
  if (start >= end) return 'empty';
  into.hasAuthentication = false;
  into.authentication = undefined;
  into.hasOrigin = false;
  into.ipv6Start = start;
  into.trailersEnd = end;
  const reason =
    (b[start] === 0 ? decodeHeaders(b, end, into) : undefined) ?? checkIpv6(b, into.ipv6Start, end);
  if (reason !== undefined) return reason;
  into.ipv6End = into.ipv6Start + IPV6_HEADER + payloadLength(b, into.ipv6Start);
  return undefined;
}

/** Reads the headers in front of the IPv6 packet and moves `ipv6Start` past them. */
function decodeHeaders(b: Uint8Array, end: number, into: DatagramView): DecodeReason | undefined {
  while (into.ipv6Start < end && b[into.ipv6Start] === 0) {
    if (end - into.ipv6Start < 2) return 'unknown-header';
    const type = b[into.ipv6Start + 1];
    if (type > 1) return 'unknown-header'; // C-15
    const reason = type === 1 ? takeAuthentication(b, end, into) : takeOrigin(b, end, into);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function takeAuthentication(b: Uint8Array, end: number, into: DatagramView): DecodeReason | undefined {
  if (into.hasAuthentication) return 'duplicate-authentication'; // C-14
  if (into.hasOrigin) return 'misordered-headers'; // C-13
  into.authentication = parseAuthentication(b, into.ipv6Start, end);
  if (into.authentication === undefined) return 'truncated-authentication';
  into.hasAuthentication = true;
  into.ipv6Start = into.authentication.end;
  return undefined;
}

function takeOrigin(b: Uint8Array, end: number, into: DatagramView): DecodeReason | undefined {
  if (into.hasOrigin) return 'duplicate-origin'; // C-14
  if (end - into.ipv6Start < ORIGIN_LENGTH) return 'truncated-origin';
  into.hasOrigin = true;
  into.originStart = into.ipv6Start;
  into.originAddress = originAddress(b, into.ipv6Start);
  into.originPort = originPort(b, into.ipv6Start);
  into.ipv6Start += ORIGIN_LENGTH;
  return undefined;
}
