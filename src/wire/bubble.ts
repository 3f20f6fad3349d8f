import { copyBytes, writeUint32 } from './bytes.ts';
import type { Ipv6 } from './ipv6.ts';
import { DESTINATION, IPV6_HEADER, NEXT_HEADER, SOURCE, nextHeader, payloadLength } from './ipv6.ts';

/** Whether the IPv6 packet at `o` is a bubble: no next header and no payload. RFC 4380 section 2.8. C-19 */
export function isBubble(b: Uint8Array, o: number): boolean {
  return nextHeader(b, o) === NEXT_HEADER.NONE && payloadLength(b, o) === 0;
}

/** 40 octets. C-18 */
export function buildBubble(source: Ipv6, destination: Ipv6, hopLimit: number): Uint8Array {
  const packet = new Uint8Array(IPV6_HEADER);
  writeBubble(packet, 0, source, 0, destination, 0, hopLimit);
  return packet;
}

/** Writes a bubble between the addresses at two offsets. Returns the end offset. */
export function writeBubble(
  b: Uint8Array,
  o: number,
  source: Uint8Array,
  sourceOffset: number,
  destination: Uint8Array,
  destinationOffset: number,
  hopLimit: number,
): number {
  writeUint32(b, o, 0x60000000);
  writeUint32(b, o + 4, (NEXT_HEADER.NONE << 8) | hopLimit);
  copyBytes(source, sourceOffset, b, o + SOURCE, 16);
  copyBytes(destination, destinationOffset, b, o + DESTINATION, 16);
  return o + IPV6_HEADER;
}
