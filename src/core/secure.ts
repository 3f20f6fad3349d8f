import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import type { Authentication } from '../wire/index.ts';
import { authenticatedBytes } from '../wire/index.ts';

/**
 * The authentication value of a datagram: HMAC-SHA1 with the shared secret, 20 octets, not truncated. `origin` is the
 * offset of the origin indication; undefined: there is none. RFC 4380 section 5.2.2. C-25
 */
export function authenticationValue(
  secret: Uint8Array,
  b: Uint8Array,
  authentication: Authentication,
  origin: number | undefined,
  ipv6Start: number,
  ipv6End: number,
): Uint8Array {
  return hmac(sha1, secret, authenticatedBytes(b, authentication, origin, ipv6Start, ipv6End));
}

/** Whether the authentication value of a datagram was made with the secret. CL-36, S-14 */
export function verifyAuthentication(
  secret: Uint8Array,
  b: Uint8Array,
  authentication: Authentication,
  origin: number | undefined,
  ipv6Start: number,
  ipv6End: number,
): boolean {
  const expected = authenticationValue(secret, b, authentication, origin, ipv6Start, ipv6End);
  const { start, end } = authentication.value;
  if (end - start !== expected.length) return false;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= expected[i] ^ b[start + i];
  return difference === 0;
}
