import { Gather } from '../linux/gather.ts';
import { addressOfSlab } from '../linux/slab.ts';
import { VNET } from '../linux/tun.ts';
import {
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  equalBytes,
  foldSum,
  nextHeader,
  payloadLength,
  pseudoHeaderSum,
  readUint16,
  readUint32,
  transportChecksum,
  writeUint16,
} from '../wire/index.ts';

import { writeNative, writeVirtioHeader } from './unfinished-packet.ts';

/** Offsets in an upper-layer header, from the ports on, of the octets that have to be equal in all segments of a run. */
const TCP = {
  SEQUENCE: 4,
  ACKNOWLEDGED: 8,
  FLAGS: 13,
  WINDOW: 14,
  CHECKSUM: 16,
  URGENT: 18,
  MIN: 20,
} as const;
const UDP = { LENGTH: 4, CHECKSUM: 6, MIN: 8 } as const;
const PORTS = 4;
const TCP_PSH = 0x08;
const TCP_ACK = 0x10;

/** Flows that are merged side by side. One more flow ends the oldest run. */
const FLOWS = 8;
/** Linux segments no UDP super-packet into more (UDP_MAX_SEGMENTS). */
const MAX_SEGMENTS = 64;
const MAX_LENGTH = 65_535;
/** The most that a virtio header, an IPv6 and a TCP header take. */
const HEAD = VNET.LENGTH + IPV6_HEADER + 60;

/** Hands one packet, or a super-packet of this many segments, to the host. */
export type WritePieces = (pieces: Gather, segments: number) => void;

/**
 * Makes super-packets of packets on their way to the host: consecutive segments of one TCP connection, or datagrams of one UDP flow, that
 * differ in nothing else. Only packets with a right checksum are merged, as the kernel does not check it again. All other packets leave
 * unchanged. The order within a flow is kept.
 */
export class PacketMerger {
  private readonly writePieces: WritePieces;
  private readonly mergesUdp: boolean;
  private readonly runs: Run[];
  private readonly single = new Gather(VNET.LENGTH, 1);
  private open = 0;

  constructor(mergesUdp: boolean, writePieces: WritePieces) {
    this.mergesUdp = mergesUdp;
    this.writePieces = writePieces;
    this.runs = Array.from({ length: FLOWS }, () => new Run());
  }

  /** Adds a packet in a slab. Its bytes must not change before the flush. */
  add(b: Uint8Array, at: number, length: number): void {
    const headers = this.headersOf(b, at, length);
    if (headers === 0) {
      this.addAlone(b, at, length);
      return;
    }
    const known = this.find(b, at);
    if (known !== undefined) {
      if (known.take(b, at, length, headers)) {
        if (known.isClosed) this.end(known);
        return;
      }
      this.end(known);
    }
    if (this.open === FLOWS) this.end(this.runs[0]!);
    this.runs[this.open++]!.begin(b, at, length, headers);
  }

  flush(): void {
    while (this.open > 0) this.end(this.runs[0]!);
  }

  /** The length of a segment's headers if it can be part of a run; otherwise 0. */
  private headersOf(b: Uint8Array, at: number, length: number): number {
    if (length <= IPV6_HEADER + UDP.MIN || payloadLength(b, at) !== length - IPV6_HEADER) return 0;
    const upper = at + IPV6_HEADER;
    const protocol = nextHeader(b, at);
    if (protocol === NEXT_HEADER.TCP) {
      if ((b[upper + TCP.FLAGS]! & ~TCP_PSH) !== TCP_ACK) return 0;
      const header = (b[upper + 12]! >> 4) * 4;
      return header >= TCP.MIN && IPV6_HEADER + header < length ? IPV6_HEADER + header : 0;
    }
    if (protocol !== NEXT_HEADER.UDP || !this.mergesUdp) return 0;
    return readUint16(b, upper + UDP.LENGTH) === length - IPV6_HEADER ? IPV6_HEADER + UDP.MIN : 0;
  }

  /** Sends a packet at once, past all runs except one of its own flow. */
  addAlone(b: Uint8Array, at: number, length: number): void {
    if (this.open > 0 && length >= IPV6_HEADER + PORTS) {
      const known = this.find(b, at);
      if (known !== undefined) this.end(known);
    }
    this.single.reset(VNET.LENGTH);
    writeVirtioHeader(this.single.head, b, at, length);
    this.single.add(addressOfSlab(b)! + at, length);
    this.writePieces(this.single, 1);
  }

  /** The open run of the flow of the packet at `at`. */
  private find(b: Uint8Array, at: number): Run | undefined {
    for (let i = 0; i < this.open; i++) if (this.runs[i]!.isOfFlow(b, at)) return this.runs[i];
    return undefined;
  }

  private end(run: Run): void {
    this.writePieces(run.pieces(), run.segments);
    const { runs } = this;
    const at = runs.indexOf(run);
    runs.copyWithin(at, at + 1, this.open);
    runs[--this.open] = run;
  }
}

/** Consecutive segments of one flow. */
class Run {
  segments = 0;
  /** The latest segment was short, or had PSH set: none may follow. */
  isClosed = false;

  private readonly gather = new Gather(HEAD, MAX_SEGMENTS);
  private first: Uint8Array = this.gather.head;
  private slab = 0;
  private at = 0;
  private headers = 0;
  private size = 0;
  private length = 0;
  private sequence = 0;
  private isTcp = false;
  private pushed = false;
  private isRight = false;

  begin(b: Uint8Array, at: number, length: number, headers: number): void {
    this.first = b;
    this.slab = addressOfSlab(b)!;
    this.at = at;
    this.headers = headers;
    this.size = length - headers;
    this.length = length;
    this.segments = 1;
    this.isTcp = nextHeader(b, at) === NEXT_HEADER.TCP;
    this.isRight = false;
    this.pushed = this.isClosed = this.isTcp && (b[at + IPV6_HEADER + TCP.FLAGS]! & TCP_PSH) !== 0;
    if (this.isTcp) this.sequence = readUint32(b, at + IPV6_HEADER + TCP.SEQUENCE) + this.size;
    this.gather.reset(VNET.LENGTH);
    this.gather.add(this.slab + at, length);
  }

  isOfFlow(b: Uint8Array, at: number): boolean {
    const { first, at: mine } = this;
    return (
      first[mine + 6] === b[at + 6] && equalBytes(first, mine + SOURCE, b, at + SOURCE, 32 + PORTS) // next header
    );
  }

  /** Whether the segment is the next of this flow. If so, it becomes part of the run. */
  take(b: Uint8Array, at: number, length: number, headers: number): boolean {
    const size = length - headers;
    if (
      this.isClosed ||
      b !== this.first ||
      headers !== this.headers ||
      size > this.size ||
      this.length + size > MAX_LENGTH ||
      this.segments === MAX_SEGMENTS ||
      !this.isAlike(b, at) ||
      !this.hasRightChecksums(b, at, length)
    )
      return false;
    if (this.segments === 1) {
      // The first segment was to be written unchanged: now it gets headers of its own.
      this.gather.reset(VNET.LENGTH + headers);
      this.gather.add(this.slab + this.at + headers, this.size);
    }
    this.gather.add(this.slab + at + headers, size);
    this.segments++;
    this.length += size;
    this.sequence += size;
    this.pushed = this.isTcp && (b[at + IPV6_HEADER + TCP.FLAGS]! & TCP_PSH) !== 0;
    this.isClosed = this.pushed || size < this.size;
    return true;
  }

  /** The parts to be written. */
  pieces(): Gather {
    const { head } = this.gather;
    if (this.segments === 1) {
      writeVirtioHeader(head, this.first, this.at, this.length);
      return this.gather;
    }
    const { first, at, headers } = this;
    for (let i = 0; i < headers; i++) head[VNET.LENGTH + i] = first[at + i]!;
    const upper = VNET.LENGTH + IPV6_HEADER;
    const length = this.length - IPV6_HEADER;
    const place = this.isTcp ? TCP.CHECKSUM : UDP.CHECKSUM;
    writeUint16(head, VNET.LENGTH + 4, length);
    if (this.pushed) head[upper + TCP.FLAGS]! |= TCP_PSH;
    if (!this.isTcp) writeUint16(head, upper + UDP.LENGTH, length);
    const protocol = this.isTcp ? NEXT_HEADER.TCP : NEXT_HEADER.UDP;
    writeUint16(head, upper + place, foldSum(pseudoHeaderSum(head, VNET.LENGTH, protocol, length)));
    head[VNET.FLAGS] = VNET.NEEDS_CHECKSUM;
    head[VNET.GSO_TYPE] = this.isTcp ? VNET.GSO_TCP6 : VNET.GSO_UDP;
    writeNative(head, VNET.HEADER_LENGTH, headers);
    writeNative(head, VNET.GSO_SIZE, this.size);
    writeNative(head, VNET.CHECKSUM_START, IPV6_HEADER);
    writeNative(head, VNET.CHECKSUM_OFFSET, place);
    return this.gather;
  }

  /** Whether the headers differ from the first segment's in nothing but lengths, sequence number, PSH and checksum. */
  private isAlike(b: Uint8Array, at: number): boolean {
    const { first, at: mine } = this;
    // Version, traffic class and flow label; hop limit.
    if (!equalBytes(first, mine, b, at, 4) || first[mine + 7] !== b[at + 7]) return false;
    if (!this.isTcp) return true;
    const [x, y] = [mine + IPV6_HEADER, at + IPV6_HEADER];
    return (
      readUint32(b, y + TCP.SEQUENCE) === this.sequence >>> 0 &&
      equalBytes(first, x + TCP.ACKNOWLEDGED, b, y + TCP.ACKNOWLEDGED, 5) &&
      equalBytes(first, x + TCP.WINDOW, b, y + TCP.WINDOW, 2) &&
      equalBytes(first, x + TCP.URGENT, b, y + TCP.URGENT, this.headers - IPV6_HEADER - TCP.URGENT)
    );
  }

  private hasRightChecksums(b: Uint8Array, at: number, length: number): boolean {
    this.isRight ||= isRight(this.first, this.at, this.headers + this.size);
    return this.isRight && isRight(b, at, length);
  }
}

function isRight(b: Uint8Array, at: number, length: number): boolean {
  const protocol = nextHeader(b, at);
  const upper = at + IPV6_HEADER;
  if (protocol === NEXT_HEADER.UDP && readUint16(b, upper + UDP.CHECKSUM) === 0) return false;
  return transportChecksum(b, at, protocol, upper, at + length) === 0;
}
