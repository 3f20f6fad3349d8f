import {
  IPV6_HEADER,
  NEXT_HEADER,
  foldSum,
  internetChecksum,
  nextHeader,
  payloadLength,
  pseudoHeaderSum,
  readUint16,
  readUint32,
} from '../../src/wire/index.ts';

const ETHERNET = 14;
const IPV4 = 0x0800;
const UDP = 17;
const UDP_HEADER = 8;

/** A datagram that a socket receives: `frame[start, end)`. */
export interface ReceivedDatagram {
  readonly start: number;
  readonly end: number;
  readonly address: number;
  readonly port: number;
  readonly tos: number;
}

/**
 * The datagram that Linux gives to the UDP socket at `address`:`port` for an Ethernet frame to this host (RFC 791, RFC 768, and the length
 * checks of its ip_rcv and udp_rcv); undefined: none. Fragments are not reassembled. A checksum that is still to be computed, as on virtual
 * links, counts as correct. Linux recognises it by a mark that frames of a test run do not have; the programs by the value of the field.
 */
export function hostReceives(
  frame: Uint8Array,
  length: number,
  address: number,
  port: number,
): ReceivedDatagram | undefined {
  if (!isToHost(frame) || readUint16(frame, 12) !== IPV4) return undefined;
  const ip = ETHERNET;
  if (length < ip + 20 || frame[ip]! >> 4 !== 4) return undefined;
  const header = (frame[ip]! & 15) * 4;
  const total = readUint16(frame, ip + 2);
  if (header < 20 || total < header || length < ip + total) return undefined;
  if (internetChecksum(frame, ip, ip + header) !== 0) return undefined;
  if ((readUint16(frame, ip + 6) & 0x3fff) !== 0) return undefined; // more fragments, or an offset
  if (frame[ip + 9] !== UDP || readUint32(frame, ip + 16) !== address) return undefined;
  const udp = ip + header;
  if (total < header + UDP_HEADER) return undefined;
  const size = readUint16(frame, udp + 4);
  if (size < UDP_HEADER || size > total - header) return undefined;
  if (readUint16(frame, udp + 6) !== 0 && !hasRightUdpChecksum(frame, ip, udp, size)) return undefined;
  if (readUint16(frame, udp + 2) !== port) return undefined;
  return {
    start: udp + UDP_HEADER,
    end: udp + size,
    address: readUint32(frame, ip + 12),
    port: readUint16(frame, udp),
    tos: frame[ip + 1]!,
  };
}

/** The sum of RFC 768's pseudo-header: the seed of the checksum. */
export function udpSeed(frame: Uint8Array, ip: number, size: number): number {
  let sum = UDP + size;
  for (let o = ip + 12; o < ip + 20; o += 2) sum += readUint16(frame, o);
  return sum;
}

function hasRightUdpChecksum(frame: Uint8Array, ip: number, udp: number, size: number): boolean {
  const seed = udpSeed(frame, ip, size);
  return (
    internetChecksum(frame, udp, udp + size, seed) === 0 ||
    readUint16(frame, udp + 6) === foldSum(seed) ||
    isUnsummed(frame, udp + UDP_HEADER, udp + size)
  );
}

/** Whether the checksum of the inner TCP or UDP packet is still to be computed. */
function isUnsummed(frame: Uint8Array, at: number, end: number): boolean {
  const protocol = end - at < IPV6_HEADER ? NEXT_HEADER.NONE : nextHeader(frame, at);
  if (protocol !== NEXT_HEADER.TCP && protocol !== NEXT_HEADER.UDP) return false;
  const field = at + IPV6_HEADER + (protocol === NEXT_HEADER.TCP ? 16 : 6);
  if (field + 2 > end) return false;
  return readUint16(frame, field) === foldSum(pseudoHeaderSum(frame, at, protocol, payloadLength(frame, at)));
}

/** Test runs use the loopback interface, whose address is all zeros. Linux accepts multicast, too. */
function isToHost(frame: Uint8Array): boolean {
  if ((frame[0]! & 1) !== 0) return true;
  for (let i = 0; i < 6; i++) if (frame[i] !== 0) return false;
  return true;
}
