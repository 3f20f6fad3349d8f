import { readUint16, readUint32, writeUint16, writeUint32 } from './bytes.ts';
import { transportChecksum } from './checksum.ts';
import {
  DESTINATION,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  hopLimit,
  nextHeader,
  payloadLength,
  writeIpv6Header,
} from './ipv6.ts';
import type { Ipv6 } from './ipv6.ts';

/** States of a session, as packets name them. RFC 5880 section 4.1 */
export const BFD_STATE = { adminDown: 0, down: 1, init: 2, up: 3 } as const;
export type BfdState = (typeof BFD_STATE)[keyof typeof BFD_STATE];

/** Of control packets to a neighbour on the link. RFC 5881 section 4 */
const PORT = 3784;
const FIRST_SOURCE_PORT = 49_152;
const HOP_LIMIT = 255;
/** Internetwork control. */
const TRAFFIC_CLASS = 0xc0;

const VERSION = 1;
const UDP_HEADER = 8;
/** Octets of a control packet without authentication. */
const LENGTH = 24;
/** Bits of the second octet; the state is in front of them. */
const [POLL, FINAL, AUTHENTICATED, MULTIPOINT] = [0x20, 0x10, 0x04, 0x01];

/** A control packet of BFD (RFC 5880 section 4.1), which has no authentication; times in microseconds. */
export interface BfdPacket {
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly state: BfdState;
  /** The sender asks for an answer at once. */
  readonly poll: boolean;
  /** This is the answer. */
  readonly final: boolean;
  /** The sender is lost after the time of this many packets. */
  readonly multiplier: number;
  /** The sender's number of the session, never 0. */
  readonly mine: number;
  /** The receiver's; 0: not known yet. */
  readonly yours: number;
  readonly desiredMinTx: number;
  /** 0: no packets are wanted. */
  readonly requiredMinRx: number;
}

/** The control packet in the (whole) IPv6 packet at `o`, from a neighbour on the link; undefined if it is none, or breaks a rule. RFC 5880 section 6.8.6 */
export function readBfd(b: Uint8Array, o: number): BfdPacket | undefined {
  const udp = o + IPV6_HEADER;
  const at = udp + UDP_HEADER;
  const length = payloadLength(b, o);
  if (nextHeader(b, o) !== NEXT_HEADER.UDP || hopLimit(b, o) !== HOP_LIMIT) return undefined;
  if (length < UDP_HEADER + LENGTH || readUint16(b, udp + 2) !== PORT) return undefined;
  if (readUint16(b, udp + 4) !== length || readUint16(b, udp + 6) === 0) return undefined;
  if (transportChecksum(b, o, NEXT_HEADER.UDP, udp, udp + length) !== 0) return undefined;
  const flags = b[at + 1]!;
  if (b[at]! >> 5 !== VERSION || b[at + 3]! !== LENGTH) return undefined;
  if ((flags & (AUTHENTICATED | MULTIPOINT)) !== 0) return undefined;
  const packet: BfdPacket = {
    source: b.slice(o + SOURCE, o + SOURCE + 16),
    destination: b.slice(o + DESTINATION, o + DESTINATION + 16),
    state: (flags >> 6) as BfdState,
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    multiplier: b[at + 2]!,
    mine: readUint32(b, at + 4),
    yours: readUint32(b, at + 8),
    desiredMinTx: readUint32(b, at + 12),
    requiredMinRx: readUint32(b, at + 16),
  };
  const isKnown = packet.yours !== 0 || packet.state <= BFD_STATE.down;
  return packet.multiplier !== 0 && packet.mine !== 0 && isKnown ? packet : undefined;
}

export function buildBfd(packet: BfdPacket): Uint8Array {
  const b = new Uint8Array(IPV6_HEADER + UDP_HEADER + LENGTH);
  const [udp, at] = [IPV6_HEADER, IPV6_HEADER + UDP_HEADER];
  writeIpv6Header(b, 0, {
    ...packet,
    payloadLength: UDP_HEADER + LENGTH,
    nextHeader: NEXT_HEADER.UDP,
    hopLimit: HOP_LIMIT,
    trafficClass: TRAFFIC_CLASS,
  });
  writeUint16(b, udp, FIRST_SOURCE_PORT + (packet.mine % (65_536 - FIRST_SOURCE_PORT)));
  writeUint16(b, udp + 2, PORT);
  writeUint16(b, udp + 4, UDP_HEADER + LENGTH);
  b[at] = VERSION << 5;
  b[at + 1] = (packet.state << 6) | (packet.poll ? POLL : 0) | (packet.final ? FINAL : 0);
  b[at + 2] = packet.multiplier;
  b[at + 3] = LENGTH;
  writeUint32(b, at + 4, packet.mine);
  writeUint32(b, at + 8, packet.yours);
  writeUint32(b, at + 12, packet.desiredMinTx);
  writeUint32(b, at + 16, packet.requiredMinRx);
  const sum = transportChecksum(b, 0, NEXT_HEADER.UDP, udp, b.length);
  writeUint16(b, udp + 6, sum === 0 ? 0xffff : sum);
  return b;
}
