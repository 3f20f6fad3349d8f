import {
  IPV6_HEADER,
  NEXT_HEADER,
  payloadLength,
  readUint16,
  transportChecksum,
  writeIpv6Header,
  writeUint16,
} from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';

/** A UDP datagram over IPv6. */
export interface Udp6Datagram {
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

const UDP_HEADER = 8;

export function buildUdp6(datagram: Udp6Datagram, hopLimit = 64): Uint8Array {
  const length = UDP_HEADER + datagram.payload.length;
  const packet = new Uint8Array(IPV6_HEADER + length);
  writeIpv6Header(packet, 0, {
    payloadLength: length,
    nextHeader: NEXT_HEADER.UDP,
    hopLimit,
    source: datagram.source,
    destination: datagram.destination,
  });
  writeUint16(packet, IPV6_HEADER, datagram.sourcePort);
  writeUint16(packet, IPV6_HEADER + 2, datagram.destinationPort);
  writeUint16(packet, IPV6_HEADER + 4, length);
  packet.set(datagram.payload, IPV6_HEADER + UDP_HEADER);
  const checksum = transportChecksum(packet, 0, NEXT_HEADER.UDP, IPV6_HEADER, packet.length);
  // RFC 8200 section 8.1: a checksum of 0 is sent as 0xffff.
  writeUint16(packet, IPV6_HEADER + 6, checksum === 0 ? 0xffff : checksum);
  return packet;
}

/** Reads a whole IPv6 packet; undefined if it is not UDP or its checksum is wrong. */
export function parseUdp6(packet: Uint8Array): Udp6Datagram | undefined {
  const end = IPV6_HEADER + payloadLength(packet, 0);
  if (packet[6] !== NEXT_HEADER.UDP || end - IPV6_HEADER < UDP_HEADER) return undefined;
  if (readUint16(packet, IPV6_HEADER + 4) !== end - IPV6_HEADER) return undefined;
  if (transportChecksum(packet, 0, NEXT_HEADER.UDP, IPV6_HEADER, end) !== 0) return undefined;
  return {
    source: packet.slice(8, 24),
    destination: packet.slice(24, 40),
    sourcePort: readUint16(packet, IPV6_HEADER),
    destinationPort: readUint16(packet, IPV6_HEADER + 2),
    payload: packet.slice(IPV6_HEADER + UDP_HEADER, end),
  };
}
