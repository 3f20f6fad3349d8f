import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import type { Authentication } from '../wire/index.ts';
import { authenticatedBytes } from '../wire/index.ts';

/** Where the parts of a datagram lie that its authentication value covers. */
export interface AuthenticatedParts {
  readonly authentication: Authentication;
  /** Offset of the origin indication; undefined: there is none. */
  readonly origin: number | undefined;
  readonly ipv6Start: number;
  readonly ipv6End: number;
}

/** The authentication value of a datagram: HMAC-SHA1 with the shared secret, 20 octets, not truncated. RFC 4380 section 5.2.2. C-25 */
export function authenticationValue(
  secret: Uint8Array,
  b: Uint8Array,
  { authentication, origin, ipv6Start, ipv6End }: AuthenticatedParts,
): Uint8Array {
  return hmac(sha1, secret, authenticatedBytes(b, authentication, origin, ipv6Start, ipv6End));
}

/** Whether the authentication value of a datagram was made with the secret. CL-36, S-14 */
export function verifyAuthentication(secret: Uint8Array, b: Uint8Array, parts: AuthenticatedParts): boolean {
  const expected = authenticationValue(secret, b, parts);
  const { start, end } = parts.authentication.value;
  if (end - start !== expected.length) return false;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) difference |= expected[i] ^ b[start + i];
  return difference === 0;
}
