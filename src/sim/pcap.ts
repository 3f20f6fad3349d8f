import { internetChecksum, writeUint16, writeUint32 } from '../wire/index.ts';
import type { Attachment, Ipv4Datagram, Ipv4Network } from './ipv4-network.ts';
import { ipv4Size } from './ipv4-network.ts';
import type { World } from './world.ts';

/** LINKTYPE_RAW: packets begin with the IP header. */
const LINKTYPE_RAW = 101;
const UDP = 17;

/** Records the datagrams of networks and attachments, to be read with tshark or Wireshark. */
export class Capture {
  private readonly world: World;
  private readonly records: { readonly at: number; readonly packet: Uint8Array }[] = [];

  /** `places`: networks (each datagram is recorded when it is sent), and attachments (datagrams in both directions). */
  constructor(world: World, ...places: (Ipv4Network | Attachment)[]) {
    this.world = world;
    for (const place of places) place.taps.push((datagram) => this.record(datagram));
  }

  get length(): number {
    return this.records.length;
  }

  /** The bytes of a pcap file; time 0 is the world's beginning. */
  toPcap(): Uint8Array {
    const size = this.records.reduce((sum, { packet }) => sum + 16 + packet.length, 24);
    const file = new Uint8Array(size);
    writeUint32(file, 0, 0xa1b2c3d4);
    writeUint16(file, 4, 2);
    writeUint16(file, 6, 4);
    writeUint32(file, 16, 65_535);
    writeUint32(file, 20, LINKTYPE_RAW);
    let at = 24;
    for (const record of this.records) {
      writeUint32(file, at, Math.floor(record.at / 1000));
      writeUint32(file, at + 4, Math.floor((record.at % 1000) * 1000));
      writeUint32(file, at + 8, record.packet.length);
      writeUint32(file, at + 12, record.packet.length);
      file.set(record.packet, at + 16);
      at += 16 + record.packet.length;
    }
    return file;
  }

  private record(datagram: Ipv4Datagram): void {
    this.records.push({ at: this.world.elapsed, packet: buildIpv4Udp(datagram) });
  }
}

/** The IPv4 packet of a datagram, checksums included. */
export function buildIpv4Udp(datagram: Ipv4Datagram): Uint8Array {
  const packet = new Uint8Array(ipv4Size(datagram));
  const udpLength = 8 + datagram.payload.length;
  packet[0] = 0x45;
  packet[1] = datagram.tos ?? 0;
  writeUint16(packet, 2, packet.length);
  packet[8] = datagram.timeToLive;
  packet[9] = UDP;
  writeUint32(packet, 12, datagram.source);
  writeUint32(packet, 16, datagram.destination);
  writeUint16(packet, 10, internetChecksum(packet, 0, 20));
  writeUint16(packet, 20, datagram.sourcePort);
  writeUint16(packet, 22, datagram.destinationPort);
  writeUint16(packet, 24, udpLength);
  packet.set(datagram.payload, 28);
  // The pseudo-header of RFC 768: the addresses are directly before the UDP header; protocol and length are the seed.
  const checksum = internetChecksum(packet, 12, packet.length, UDP + udpLength);
  writeUint16(packet, 26, checksum === 0 ? 0xffff : checksum);
  return packet;
}
