import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import type { Ipv4 } from './ipv4.ts';

/** Octets of an origin indication. RFC 4380 section 5.1.1. C-11 */
export const ORIGIN_LENGTH = 8;

/** Returns the end offset. */
export function writeOrigin(b: Uint8Array, o: number, address: Ipv4, port: number): number {
  writeUint16(b, o, 0);
  writeUint16(b, o + 2, port ^ 0xffff);
  writeUint32(b, o + 4, ~address);
  return o + ORIGIN_LENGTH;
}

/** The address in the origin indication at `o`, deobfuscated. */
export function originAddress(b: Uint8Array, o: number): Ipv4 {
  return ~readUint32(b, o + 4) >>> 0;
}

/** The port in the origin indication at `o`, deobfuscated. */
export function originPort(b: Uint8Array, o: number): number {
  return readUint16(b, o + 2) ^ 0xffff;
}
