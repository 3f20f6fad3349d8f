import { copyBytes } from './bytes.ts';
import { ORIGIN_LENGTH } from './origin.ts';

/** A range of octets. */
export interface Range {
  start: number;
  end: number;
}

/** Where the parts of an authentication header lie in its datagram. RFC 4380 section 5.1.1. C-12 */
export interface Authentication extends Range {
  clientId: Range;
  value: Range;
  nonceOffset: number;
  /** From a server: 0 if the client's key is still valid (C-25). */
  confirmation: number;
}

export const AUTHENTICATION_NONCE_LENGTH = 8;

/** Octets of an authentication header with an identifier and a value of these lengths, each up to 255. */
export function authenticationLength(idLength: number, valueLength: number): number {
  return 4 + idLength + valueLength + AUTHENTICATION_NONCE_LENGTH + 1;
}

/** Reads the header that begins with `00 01` at `start`; `undefined` when it runs past `end`. C-16 */
export function parseAuthentication(b: Uint8Array, start: number, end: number): Authentication | undefined {
  if (end - start < 4) return undefined;
  const idEnd = start + 4 + b[start + 2];
  const nonceOffset = idEnd + b[start + 3];
  const headerEnd = nonceOffset + AUTHENTICATION_NONCE_LENGTH + 1;
  if (headerEnd > end) return undefined;
  return {
    start,
    end: headerEnd,
    clientId: { start: start + 4, end: idEnd },
    value: { start: idEnd, end: nonceOffset },
    nonceOffset,
    confirmation: b[headerEnd - 1],
  };
}

/** Identifier and value up to 255 octets each, nonce of 8. Returns the end offset. */
export function writeAuthentication(
  b: Uint8Array,
  o: number,
  header: { clientId: Uint8Array; value: Uint8Array; nonce: Uint8Array; confirmation: number },
): number {
  const { clientId, value, nonce, confirmation } = header;
  b[o] = 0;
  b[o + 1] = 1;
  b[o + 2] = clientId.length;
  b[o + 3] = value.length;
  copyBytes(clientId, 0, b, o + 4, clientId.length);
  copyBytes(value, 0, b, o + 4 + clientId.length, value.length);
  const nonceOffset = o + 4 + clientId.length + value.length;
  copyBytes(nonce, 0, b, nonceOffset, AUTHENTICATION_NONCE_LENGTH);
  b[nonceOffset + AUTHENTICATION_NONCE_LENGTH] = confirmation;
  return nonceOffset + AUTHENTICATION_NONCE_LENGTH + 1;
}

/**
 * The octets that the authentication value covers: nonce, confirmation, origin indication if any, IPv6 packet.
 * `origin` is the offset of the origin indication in `b`. RFC 4380 section 5.2.2. C-25
 */
export function authenticatedBytes(
  b: Uint8Array,
  authentication: Authentication,
  origin: number | undefined,
  ipv6Start: number,
  ipv6End: number,
): Uint8Array {
  const nonce = b.subarray(authentication.nonceOffset, authentication.end);
  const indication = origin === undefined ? b.subarray(0, 0) : b.subarray(origin, origin + ORIGIN_LENGTH);
  const packet = b.subarray(ipv6Start, ipv6End);
  const bytes = new Uint8Array(nonce.length + indication.length + packet.length);
  bytes.set(nonce);
  bytes.set(indication, nonce.length);
  bytes.set(packet, nonce.length + indication.length);
  return bytes;
}
