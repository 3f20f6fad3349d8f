import type { SeededEntropy } from '../../src/sim/index.ts';
import {
  IPV6_HEADER,
  NEXT_HEADER,
  copyBytes,
  foldSum,
  internetChecksum,
  nextHeader,
  payloadLength,
  pseudoHeaderSum,
  readUint16,
  transportChecksum,
  writeOrigin,
  writeUint16,
  writeUint32,
} from '../../src/wire/index.ts';
import type { Endpoint, Ipv6 } from '../../src/wire/index.ts';
import { ETHERNET } from './carrying-programs.ts';
import { udpSeed } from './host-receive.ts';

const IPV4 = ETHERNET;
const UDP = IPV4 + 20;
/** Offset of the payload of a datagram without IPv4 options. */
export const PAYLOAD = UDP + 8;

/** A sender, and its outer source. */
export interface Sender {
  readonly address: Ipv6;
  readonly place: Endpoint;
  /** The local port to which it sends, if that is not the service port. */
  readonly localPort?: number | undefined;
}

/** The hosts that appear in the frames. */
export interface Cast {
  /** The service socket of the host under test. */
  readonly local: Endpoint;
  /** The local ports of its sockets for single peers. */
  readonly otherPorts?: readonly number[];
  readonly peers: readonly Sender[];
  readonly others: readonly Sender[];
  /** Addresses of the host under test or that it serves; and other addresses. */
  readonly inside: readonly Ipv6[];
  readonly outside: readonly Ipv6[];
}

const SIZES = [0, 1, 4, 7, 8, 8, 15, 16, 16, 17, 20, 24, 40, 64, 100, 300, 1_232, 1_240, 1_241, 1_400];
/** ICMPv6 octets of the reply to a connectivity test. */
const TEST_REPLY = 16;
const ICMPV6_TYPES = [128, 129, 129, 130, 133, 134, 135, 136, 137, 1, 2, 3];
const EXTENSIONS = [
  NEXT_HEADER.HOP_BY_HOP,
  NEXT_HEADER.ROUTING,
  NEXT_HEADER.FRAGMENT,
  NEXT_HEADER.DESTINATION_OPTIONS,
  NEXT_HEADER.AUTHENTICATION,
  NEXT_HEADER.MOBILITY,
  NEXT_HEADER.SHIM6,
];
/** Third and fourth octet of an extension header: type of a routing header; offset and M flag of a fragment. */
const THIRD = [0, 0, 0, 2];
const FOURTH = [0, 0, 1, 8];
const UPPER = [NEXT_HEADER.TCP, NEXT_HEADER.UDP, NEXT_HEADER.UDP, NEXT_HEADER.ICMPV6, NEXT_HEADER.NONE];
const HOP_LIMITS = [0, 1, 21, 64, 64, 255];
/** The share of checksums that are still to be computed, as on virtual links. */
const UNSUMMED = 0.04;
/** Possible numbers of changed octets or lengths. */
const CHANGES = [0, 0, 0, 1, 1, 1, 1, 2, 3];
const INTERESTING = [0, 1, 0x7f, 0x80, 0xff];
/** Regions in which octets are changed: offset, octets, weight. The last one is the rest. */
const REGIONS_IN = [
  [0, 14, 1],
  [IPV4, 20, 24],
  [UDP, 8, 10],
  [PAYLOAD, 8, 16],
  [PAYLOAD + 8, 32, 16],
  [PAYLOAD + IPV6_HEADER, 24, 14],
  [PAYLOAD, 2_000, 4],
] as const;
const REGIONS_OUT = [
  [0, 14, 1],
  [ETHERNET, 8, 24],
  [ETHERNET + 8, 32, 24],
  [ETHERNET + IPV6_HEADER, 24, 14],
  [ETHERNET, 2_000, 4],
] as const;
const MAC_LENGTHS = 12;

/** Makes valid and invalid Ethernet frames in one buffer: each call overwrites the frame before. */
export class RandomFrames {
  private readonly b: Uint8Array;
  private readonly random: SeededEntropy;
  private readonly cast: Cast;

  constructor(buffer: Uint8Array, random: SeededEntropy, cast: Cast) {
    this.b = buffer;
    this.random = random;
    this.cast = cast;
  }

  /** Makes a frame that arrives on an uplink; returns its length. */
  incoming(): number {
    const { random, cast } = this;
    const sender = random.chance(0.85) ? random.pick(cast.peers) : random.pick(cast.others);
    const place = random.chance(0.95) ? sender.place : random.pick(cast.peers).place;
    const to = random.chance(0.93) ? random.pick(cast.inside) : random.pick(cast.outside);
    let end = this.packet(this.prefix(PAYLOAD), sender.address, to);
    if (random.chance(0.05)) end = this.trailers(end);
    this.ethernet(0x0800);
    this.outer(place, this.localPort(sender), end);
    const length = this.mutate(end, REGIONS_IN);
    this.sealUpper(PAYLOAD, length);
    this.sealUdp(length);
    if (random.chance(0.96)) this.sealIpv4();
    return length;
  }

  /** Makes a frame that the host sends into the tunnel, which is an Ethernet interface here; returns its length. */
  outgoing(): number {
    const { random, cast } = this;
    const from = random.chance(0.93) ? random.pick(cast.inside) : random.pick(cast.outside);
    const to = random.chance(0.9) ? random.pick(cast.peers) : random.pick(cast.others);
    const end = this.packet(ETHERNET, from, to.address);
    this.ethernet(0x86dd);
    const length = Math.max(ETHERNET + IPV6_HEADER, this.mutate(end, REGIONS_OUT));
    this.sealUpper(ETHERNET, length);
    return length;
  }

  private ethernet(type: number): void {
    this.b.fill(0, 0, MAC_LENGTHS);
    writeUint16(this.b, MAC_LENGTHS, type);
  }

  /** Sometimes writes an origin indication or an authentication header. Returns the end offset. */
  private prefix(at: number): number {
    const { b, random } = this;
    if (random.chance(0.02)) return writeOrigin(b, at, random.uint32(), 4_096);
    if (!random.chance(0.02)) return at;
    b.fill(0, at, at + 13);
    b[at + 1] = 1;
    return at + 13;
  }

  private trailers(at: number): number {
    const { b, random } = this;
    const length = random.integer(1, 12);
    for (let i = 0; i < length; i++) b[at + i] = random.uint32();
    if (random.chance(0.5)) b.set([random.pick([1, 4, 5, 0x41, 0x81]), length - 2], at);
    return at + length;
  }

  /** Writes an IPv6 packet. Returns the end offset. */
  private packet(at: number, source: Ipv6, destination: Ipv6): number {
    const { b, random } = this;
    writeUint32(b, at, 0x60000000 | (random.chance(0.6) ? random.uint32() & 0x0fffffff : 0));
    b[at + 7] = random.pick(HOP_LIMITS);
    copyBytes(source, 0, b, at + 8, 16);
    copyBytes(destination, 0, b, at + 24, 16);
    const upper = random.chance(0.03) ? random.uint32() & 0xff : random.pick(UPPER);
    let end = at + IPV6_HEADER;
    let field = at + 6;
    for (let chance = 0.12; random.chance(chance); chance = 0.3) {
      b[field] = random.pick(EXTENSIONS);
      b.fill(0, end, end + 8);
      b[end + 2] = random.pick(THIRD);
      b[end + 3] = random.pick(FOURTH);
      field = end;
      end += 8;
    }
    b[field] = upper;
    end = this.upper(end, upper);
    writeUint16(b, at + 4, end - at - IPV6_HEADER);
    return end;
  }

  private upper(at: number, kind: number): number {
    const { b, random } = this;
    const isUsual = random.chance(kind === NEXT_HEADER.NONE ? 0.7 : kind === NEXT_HEADER.ICMPV6 ? 0.3 : 0);
    const size = !isUsual ? random.pick(SIZES) : kind === NEXT_HEADER.NONE ? 0 : TEST_REPLY;
    const end = at + size;
    for (let i = at; i < Math.min(end, at + 32); i++) b[i] = random.uint32();
    if (end > at + 32) b.fill(random.uint32(), at + 32, end);
    if (kind === NEXT_HEADER.ICMPV6) b[at] = random.pick(ICMPV6_TYPES);
    if (kind === NEXT_HEADER.ICMPV6 && random.chance(0.7)) b[at + 1] = 0;
    if (kind === NEXT_HEADER.UDP) writeUint16(b, at + 4, size);
    if (kind === NEXT_HEADER.TCP) b[at + 12] = 0x50;
    return end;
  }

  /** Sometimes another one than the sender's. A packet at the service port shows a client that the peer hears it there, so this is rare. */
  private localPort({ localPort }: Sender): number {
    const { local, otherPorts = [] } = this.cast;
    if (otherPorts.length > 0 && this.random.chance(0.02)) return this.random.pick(otherPorts);
    return localPort === undefined || this.random.chance(0.005) ? local.port : localPort;
  }

  private outer(from: Endpoint, localPort: number, end: number): void {
    const { b, random, cast } = this;
    b[IPV4] = 0x45;
    b[IPV4 + 1] = random.chance(0.5) ? 0 : random.uint32();
    writeUint16(b, IPV4 + 2, end - IPV4);
    writeUint32(b, IPV4 + 4, (random.uint32() & 0xffff) << 16);
    b[IPV4 + 8] = 64;
    b[IPV4 + 9] = 17;
    writeUint32(b, IPV4 + 12, from.address);
    writeUint32(b, IPV4 + 16, cast.local.address);
    writeUint16(b, UDP, from.port);
    writeUint16(b, UDP + 2, localPort);
    writeUint16(b, UDP + 4, end - UDP);
    writeUint16(b, UDP + 6, 0);
  }

  /** Changes some octets or none, and sometimes the length. Returns the length. */
  private mutate(length: number, regions: readonly (readonly [number, number, number])[]): number {
    const { random } = this;
    const changes = random.pick(CHANGES);
    for (let i = 0; i < changes; i++) this.change(length, regions);
    if (!random.chance(0.06)) return length;
    const changed = random.chance(0.5) ? length - random.integer(1, 20) : length + random.integer(1, 20);
    for (let i = length; i < changed; i++) this.b[i] = random.uint32();
    return Math.max(ETHERNET + 20, changed);
  }

  private change(length: number, regions: readonly (readonly [number, number, number])[]): void {
    const { b, random } = this;
    let weight = random.integer(0, weightOf(regions));
    let region = 0;
    while (weight >= regions[region]![2]) weight -= regions[region++]![2];
    const [from, octets] = regions[region]!;
    if (from >= length) return;
    const at = random.integer(from, Math.min(length, from + octets));
    switch (random.integer(0, 5)) {
      case 0:
        b[at] = random.uint32();
        break;
      case 1:
        b[at] = random.pick(INTERESTING);
        break;
      case 2:
        if (at + 2 <= length) writeUint16(b, at, readUint16(b, at) + random.integer(-9, 10));
        break;
      default:
        b[at]! ^= 1 << random.integer(0, 8);
    }
  }

  /** In most cases corrects the checksum of TCP, UDP or ICMPv6, if it follows the IPv6 header directly. */
  private sealUpper(at: number, length: number): void {
    const { b, random } = this;
    if (length < at + IPV6_HEADER || random.chance(0.05)) return;
    const kind = nextHeader(b, at);
    const size = payloadLength(b, at);
    const upper = at + IPV6_HEADER;
    const field =
      kind === NEXT_HEADER.TCP
        ? 16
        : kind === NEXT_HEADER.UDP
          ? 6
          : kind === NEXT_HEADER.ICMPV6
            ? 2
            : undefined;
    if (field === undefined || size < field + 2 || upper + size > length) return;
    writeUint16(b, upper + field, 0);
    const sum = random.chance(UNSUMMED)
      ? foldSum(pseudoHeaderSum(b, at, kind, size))
      : transportChecksum(b, at, kind, upper, upper + size);
    writeUint16(b, upper + field, sum);
  }

  /** In most cases corrects the checksum of the datagram, or omits it. */
  private sealUdp(length: number): void {
    const { b, random } = this;
    if (length < PAYLOAD || random.chance(0.05)) return;
    writeUint16(b, UDP + 6, 0);
    const size = readUint16(b, UDP + 4);
    if (size < 8 || UDP + size > length || random.chance(0.5)) return;
    const seed = udpSeed(b, IPV4, size);
    const sum = random.chance(UNSUMMED) ? foldSum(seed) : internetChecksum(b, UDP, UDP + size, seed);
    writeUint16(b, UDP + 6, sum === 0 ? 0xffff : sum);
  }

  private sealIpv4(): void {
    writeUint16(this.b, IPV4 + 10, 0);
    writeUint16(this.b, IPV4 + 10, internetChecksum(this.b, IPV4, IPV4 + 20));
  }
}

function weightOf(regions: readonly (readonly [number, number, number])[]): number {
  let sum = 0;
  for (const [, , weight] of regions) sum += weight;
  return sum;
}
