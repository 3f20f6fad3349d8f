import { NEXT_HEADER, transportChecksum, writeUint16 } from '../../src/wire/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { data } from './client-rig.ts';

/** Octets of the headers of IPv6 and TCP. */
const HEADERS = 60;

/** A TCP segment with so many octets of data, and a right checksum. */
export function tcpSegment(source: Ipv6, destination: Ipv6, size: number): Uint8Array {
  const packet = data(source, destination, HEADERS + size);
  packet[6] = NEXT_HEADER.TCP;
  packet.fill(0, 40, HEADERS);
  packet[52] = 0x50;
  writeUint16(packet, 56, transportChecksum(packet, 0, NEXT_HEADER.TCP, 40, packet.length));
  return packet;
}
