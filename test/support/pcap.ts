import { readUint16, readUint32 } from '../../src/wire/index.ts';

/** A UDP datagram of a capture file. */
export interface CapturedDatagram {
  /** Number of its frame, from 1. */
  frame: number;
  source: number;
  sourcePort: number;
  destination: number;
  destinationPort: number;
  payload: Uint8Array;
}

/**
 * The UDP datagrams over IPv4 in a pcap or pcapng file (Ethernet or raw IP), including those inside GTP-U. Supports only
 * whole frames without IPv4 fragments, which is enough for the captures of the tests.
 */
export function readCapture(file: Uint8Array): CapturedDatagram[] {
  const datagrams: CapturedDatagram[] = [];
  const isPcapng = readUint32(file, 0) === 0x0a0d0d0a;
  const { linkType, frames } = isPcapng ? readPcapng(file) : readPcap(file);
  for (const [i, frame] of frames.entries()) {
    const ipv4 = linkType === LINK.ETHERNET ? ethernetPayload(frame) : frame;
    const datagram = ipv4 && udpDatagram(ipv4, i + 1);
    if (datagram) datagrams.push(datagram);
  }
  return datagrams;
}

/** The frames of a pcap or pcapng file. */
export function framesOf(file: Uint8Array): Uint8Array[] {
  return (readUint32(file, 0) === 0x0a0d0d0a ? readPcapng(file) : readPcap(file)).frames;
}

const LINK = { ETHERNET: 1, RAW: 101 };
const GTP_USER_PORT = 2152;

interface Frames {
  linkType: number;
  frames: Uint8Array[];
}

function readPcap(file: Uint8Array): Frames {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const little = view.getUint32(0, true) === 0xa1b2c3d4;
  const frames: Uint8Array[] = [];
  for (let at = 24; at < file.length;) {
    const length = view.getUint32(at + 8, little);
    frames.push(file.subarray(at + 16, at + 16 + length));
    at += 16 + length;
  }
  return { linkType: view.getUint32(20, little), frames };
}

/** One section, one interface. */
function readPcapng(file: Uint8Array): Frames {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const little = view.getUint32(8, true) === 0x1a2b3c4d;
  const read: Frames = { linkType: LINK.ETHERNET, frames: [] };
  for (let at = 0; at < file.length; at += view.getUint32(at + 4, little)) {
    const type = view.getUint32(at, little);
    if (type === PCAPNG.INTERFACE) read.linkType = view.getUint16(at + 8, little);
    if (type === PCAPNG.PACKET) {
      read.frames.push(file.subarray(at + 28, at + 28 + view.getUint32(at + 20, little)));
    }
  }
  return read;
}

const PCAPNG = { INTERFACE: 1, PACKET: 6 };

function ethernetPayload(frame: Uint8Array): Uint8Array | undefined {
  return readUint16(frame, 12) === 0x0800 ? frame.subarray(14) : undefined;
}

function udpDatagram(ipv4: Uint8Array, frame: number): CapturedDatagram | undefined {
  if (ipv4[0] >>> 4 !== 4 || ipv4[9] !== 17) return undefined;
  const udp = 4 * (ipv4[0] & 0x0f);
  const payload = ipv4.subarray(udp + 8, udp + readUint16(ipv4, udp + 4));
  const destinationPort = readUint16(ipv4, udp + 2);
  if (destinationPort === GTP_USER_PORT) return udpDatagram(payload.subarray(8), frame);
  return {
    frame,
    source: readUint32(ipv4, 12),
    sourcePort: readUint16(ipv4, udp),
    destination: readUint32(ipv4, 16),
    destinationPort,
    payload,
  };
}
