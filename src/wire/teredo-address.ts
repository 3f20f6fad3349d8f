import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Ipv6 } from './ipv6.ts';

/** UDP port of a Teredo server. RFC 4380 section 2.7. C-1 */
export const TEREDO_PORT = 3544;

/** The flag bits of a Teredo address. RFC 4380 section 4, RFC 5991 section 3.1. C-6 */
export const CONE_FLAG = 0x8000;
export const UNIVERSAL_FLAG = 0x0200;
export const GROUP_FLAG = 0x0100;
/** The twelve bits that are random (RFC 5991). U-1 */
export const RANDOM_FLAGS = 0x3cff;

/** The four parts of a Teredo address, deobfuscated. */
export interface TeredoAddress {
  server: Ipv4;
  flags: number;
  mappedAddress: Ipv4;
  mappedPort: number;
}

/** Whether the address at an offset is in 2001:0000::/32. C-2 */
export function isTeredo(b: Uint8Array, o: number): boolean {
  return b[o] === 0x20 && b[o + 1] === 0x01 && b[o + 2] === 0 && b[o + 3] === 0;
}

/** IPv4 address of the server in a Teredo address. */
export function serverOf(b: Uint8Array, o: number): Ipv4 {
  return readUint32(b, o + 4);
}

/** Flags of a Teredo address or a link-local one of the same form (C-8). */
export function flagsOf(b: Uint8Array, o: number): number {
  return readUint16(b, o + 8);
}

/** Mapped port, deobfuscated. C-4, C-8 */
export function mappedPortOf(b: Uint8Array, o: number): number {
  return readUint16(b, o + 10) ^ 0xffff;
}

/** Mapped IPv4 address, deobfuscated. C-4, C-8 */
export function mappedAddressOf(b: Uint8Array, o: number): Ipv4 {
  return ~readUint32(b, o + 12) >>> 0;
}

/** Reads the 16 octets at an offset; `undefined` if there are fewer, or they are not a Teredo address. */
export function parseTeredoAddress(b: Uint8Array, o = 0): TeredoAddress | undefined {
  if (b.length - o < 16 || !isTeredo(b, o)) return undefined;
  return {
    server: serverOf(b, o),
    flags: flagsOf(b, o),
    mappedAddress: mappedAddressOf(b, o),
    mappedPort: mappedPortOf(b, o),
  };
}

export function makeTeredoAddress(address: TeredoAddress): Ipv6 {
  const bytes = teredoPrefix(address.server);
  writeIdentifier(bytes, address);
  return bytes;
}

/** The link-local address with this interface identifier. C-8 */
export function makeLinkLocal(identifier: Omit<TeredoAddress, 'server'>): Ipv6 {
  const bytes = new Uint8Array(16);
  writeUint16(bytes, 0, 0xfe80);
  writeIdentifier(bytes, identifier);
  return bytes;
}

/** The /64 that a server advertises, low half zero. RFC 4380 section 5.3.2. */
export function teredoPrefix(server: Ipv4): Ipv6 {
  const bytes = new Uint8Array(16);
  writeUint32(bytes, 0, 0x20010000);
  writeUint32(bytes, 4, server);
  return bytes;
}

function writeIdentifier(bytes: Ipv6, identifier: Omit<TeredoAddress, 'server'>): void {
  writeUint16(bytes, 8, identifier.flags);
  writeUint16(bytes, 10, identifier.mappedPort ^ 0xffff);
  writeUint32(bytes, 12, ~identifier.mappedAddress);
}
