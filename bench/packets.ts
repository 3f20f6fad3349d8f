import { NEXT_HEADER, transportChecksum, writeIpv6Header, writeUint16 } from '../src/wire/index.ts';
import type { Ipv6 } from '../src/wire/index.ts';

/** An IPv6 packet of `size` bytes to UDP's discard port. */
export function makeUdpPacket(source: Ipv6, destination: Ipv6, size: number): Uint8Array {
  const packet = new Uint8Array(size);
  const payloadLength = size - 40;
  writeIpv6Header(packet, 0, {
    payloadLength,
    nextHeader: NEXT_HEADER.UDP,
    hopLimit: 64,
    source,
    destination,
  });
  writeUint16(packet, 40, 9);
  writeUint16(packet, 42, 9);
  writeUint16(packet, 44, payloadLength);
  writeUint16(packet, 46, transportChecksum(packet, 0, NEXT_HEADER.UDP, 40, size));
  return packet;
}
