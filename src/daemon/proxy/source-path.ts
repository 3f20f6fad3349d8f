import { isTeredo, mappedAddressOf, readUint32 } from '../../wire/index.ts';

/**
 * Where a connection or a datagram comes from, from the whole to its part: a /32, /48 and /64; a /16, /24 and address of IPv4; the mapped IPv4 address
 * of a Teredo client in the same way; or this host and a user. Parts of one whole share what the whole may have.
 */
export type SourcePath = readonly [whole: number, part: number, last: number];

/** No host has an address of 0.0.0.0/16, nor of ::/32. */
const THIS_HOST = 0;

/** Of an address of 4 or 16 octets. */
export function sourceOf(address: Uint8Array): SourcePath {
  if (address.length === 4) return ipv4Source(readUint32(address, 0));
  // The clients of one Teredo server share a /64.
  if (isTeredo(address, 0)) return ipv4Source(mappedAddressOf(address, 0));
  const subnet = readUint32(address, 4);
  return [readUint32(address, 0), subnet >>> 16, subnet];
}

/** Of a user of this host; undefined: of one that the kernel does not name. */
export function sourceOfUser(uid: number | undefined): SourcePath {
  const user = uid ?? 2 ** 32;
  return [THIS_HOST, user, user];
}

function ipv4Source(address: number): SourcePath {
  return [address >>> 16, address >>> 8, address];
}
