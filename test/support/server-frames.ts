/** Random Ethernet frames for a server: like those that it answers and forwards, with some fields changed. */
import type { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import {
  ICMPV6_CHECKSUM,
  TEREDO_PORT,
  buildBubble,
  buildRouterSolicitation,
  foldSum,
  internetChecksum,
  makeLinkLocal,
  makeTeredoAddress,
  readUint16,
  readUint32,
  writeUint16,
  writeUint32,
} from '../../src/wire/index.ts';
import type { Endpoint, Ipv6 } from '../../src/wire/index.ts';
import { MAPPED, PEER_MAPPED, PEER_SERVER, PRIMARY, SECONDARY, at, v6 } from './client-rig.ts';
import { join } from './machine-rig.ts';
import { ETHERNET, WRAPPING, pseudoSum } from './server-program-rig.ts';

/** First and last address of the blocks of C-9, private blocks included, and of this host's own addresses. */
const BLOCKS: readonly (readonly [number, number])[] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.88.99.0', '192.88.99.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['203.0.113.120', '203.0.113.122'],
  ['203.0.113.255', '203.0.113.255'],
  ['224.0.0.0', '239.255.255.255'],
  ['240.0.0.0', '255.255.255.255'],
  ['255.255.255.255', '255.255.255.255'],
].map(([first, last]) => [at(`${first}:0`).address, at(`${last}:0`).address] as const);

const NATIVE = [
  '2001:db8::1',
  'fe80::1',
  'fe80::1:2:3:4',
  'fd00::1',
  'fec0::1',
  '::1',
  '::',
  'ff02::1',
  '::1.2.3.4',
];
const NO_HEADER = new Uint8Array(0);

/** Offsets and lengths of the fields of a frame's headers, from the beginning of the frame. */
const OUTER_FIELDS: readonly (readonly [number, number])[] = [
  [12, 2], // EtherType
  [0, 6],
  [ETHERNET, 1], // version and length
  [ETHERNET + 1, 1], // TOS
  [ETHERNET + 2, 2], // length
  [ETHERNET + 4, 2], // identification
  [ETHERNET + 6, 2], // flags and offset
  [ETHERNET + 8, 1], // TTL
  [ETHERNET + 9, 1], // protocol
  [ETHERNET + 12, 4], // source
  [ETHERNET + 16, 4], // destination
  [ETHERNET + 20, 2], // ports
  [ETHERNET + 22, 2],
  [ETHERNET + 24, 2], // length
];
const INNER_FIELDS: readonly (readonly [number, number])[] = [
  [0, 1], // version
  [0, 4], // with traffic class and flow label
  [4, 2], // length
  [6, 1], // next header
  [7, 1], // hop limit
  [8, 16], // source
  [24, 16], // destination
  [40, 1], // of a solicitation: type, code, reserved field
  [41, 1],
  [44, 4],
];
const UDP = ETHERNET + 20;

export function randomFrame(entropy: SeededEntropy): Uint8Array {
  const from = randomEndpoint(entropy);
  const [header, packet] = randomPacket(entropy, from);
  for (let n = changes(entropy); n > 0; n--) change(entropy, packet, INNER_FIELDS);
  if (packet.length >= 48 && packet[6] === 58 && !entropy.chance(0.05)) seal(packet);
  if (entropy.chance(0.1) && header.length > 0) flip(entropy, header, 0, header.length);
  const payload = resized(entropy, join(header, packet));
  const frame = wrap(entropy, from, payload);
  for (let n = changes(entropy); n > 0; n--) change(entropy, frame, OUTER_FIELDS);
  if (!entropy.chance(0.04)) sealOuter(entropy, frame);
  return frame;
}

/** The datagram of a frame that a UDP socket at port 3544 of one of the server's addresses receives and can answer (source port not 0), if any. */
export function receivedBySocket(
  frame: Uint8Array,
): { readonly from: Endpoint; readonly to: number; readonly payload: Uint8Array } | undefined {
  const b = frame.subarray(ETHERNET);
  if (frame.subarray(0, 6).some((octet) => octet !== 0) || readUint16(frame, 12) !== 0x0800) return undefined;
  const header = (b[0]! & 15) * 4;
  if (b.length < WRAPPING || b[0]! >> 4 !== 4 || header < 20 || internetChecksum(b, 0, header) !== 0)
    return undefined;
  const length = readUint16(b, 2);
  if (length > b.length || length < header + 8 || (readUint16(b, 6) & 0x3fff) !== 0 || b[9] !== 17)
    return undefined;
  const to = readUint32(b, 16);
  if (to !== PRIMARY.address && to !== SECONDARY.address) return undefined;
  if (readUint16(b, header) === 0) return undefined;
  const size = readUint16(b, header + 4);
  if (readUint16(b, header + 2) !== TEREDO_PORT || size < 8 || size > length - header) return undefined;
  const summed = readUint16(b, header + 6) !== 0;
  if (summed && internetChecksum(b, header, header + size, pseudoSum(b, header)) !== 0) return undefined;
  return {
    from: { address: readUint32(b, 12), port: readUint16(b, header) },
    to,
    payload: b.slice(header + 8, header + size),
  };
}

/** The packet without the fields that a sender may choose; undefined if the header checksum is wrong. */
export function withoutIdentification(packet: Uint8Array): Uint8Array | undefined {
  if (internetChecksum(packet, 0, 20) !== 0) return undefined;
  const same = packet.slice();
  writeUint16(same, 4, 0);
  writeUint16(same, 10, 0);
  return same;
}

/** The number of changes: mostly none, sometimes one or two. */
function changes(entropy: SeededEntropy): number {
  const chance = entropy.unit();
  return chance < 0.6 ? 0 : chance < 0.9 ? 1 : 2;
}

function change(entropy: SeededEntropy, b: Uint8Array, fields: readonly (readonly [number, number])[]): void {
  const [start, length] = entropy.pick(fields);
  if (start + length > b.length) return;
  const kind = entropy.integer(0, 4);
  if (kind < 2) flip(entropy, b, start, length);
  else if (kind === 2) entropy.fill(b.subarray(start, start + length));
  else b[start + length - 1]! += entropy.pick([1, 255]);
}

function flip(entropy: SeededEntropy, b: Uint8Array, start: number, length: number): void {
  const bit = entropy.integer(0, 8 * length);
  b[start + (bit >> 3)]! ^= 1 << (bit & 7);
}

function randomEndpoint(entropy: SeededEntropy): Endpoint {
  const port = entropy.pick([MAPPED.port, 1, 3_544, 65_535, 0, entropy.integer(0, 65_536)]);
  const chance = entropy.unit();
  if (chance < 0.65) return { address: entropy.pick([MAPPED, PEER_MAPPED, PEER_SERVER]).address, port };
  if (chance < 0.8) return { address: entropy.uint32(), port };
  const [first, last] = entropy.pick(BLOCKS);
  return { address: entropy.integer(first, last + 1), port };
}

/** The Teredo headers, and the packet with trailers. */
function randomPacket(entropy: SeededEntropy, from: Endpoint): [Uint8Array, Uint8Array] {
  const header = entropy.chance(0.4) ? randomHeader(entropy) : NO_HEADER;
  if (entropy.chance(0.5)) {
    const flags = entropy.pick([0, 0x8000, 0x3cff, 0x7fff, entropy.integer(0, 65_536)]);
    const source = makeLinkLocal({ flags, mappedPort: from.port, mappedAddress: entropy.uint32() });
    return [header, buildRouterSolicitation(source)];
  }
  const source = entropy.chance(0.7) ? teredoOf(entropy, from) : randomAddress(entropy);
  const destination = entropy.chance(0.9)
    ? teredoOf(entropy, randomEndpoint(entropy))
    : randomAddress(entropy);
  const trailers = new Uint8Array(entropy.chance(0.3) ? entropy.integer(0, 70) : 0);
  entropy.fill(trailers);
  const bubble = buildBubble(source, destination, entropy.pick([0, 1, 21, 255]));
  return [entropy.chance(0.8) ? NO_HEADER : header, join(bubble, trailers)];
}

function randomHeader(entropy: SeededEntropy): Uint8Array {
  const kind = entropy.unit();
  if (kind < 0.1) return Uint8Array.of(0, 0, 1, 2, 3, 4, 5, 6); // an origin indication
  const [identifier, value] = kind < 0.9 ? [0, 0] : [entropy.integer(0, 4), entropy.integer(0, 4)];
  const header = new Uint8Array(13 + identifier + value);
  entropy.fill(header);
  header.set([0, 1, identifier, value]);
  return header;
}

function teredoOf(entropy: SeededEntropy, { address, port }: Endpoint): Ipv6 {
  const server = entropy.chance(0.6)
    ? PRIMARY.address
    : entropy.pick([PEER_SERVER.address, entropy.uint32()]);
  const flags = entropy.integer(0, 65_536);
  return makeTeredoAddress({ server, flags, mappedAddress: address, mappedPort: port });
}

function randomAddress(entropy: SeededEntropy): Ipv6 {
  const address = v6(entropy.pick(NATIVE)).slice();
  if (entropy.chance(0.5)) entropy.fill(address.subarray(entropy.integer(0, 16)));
  return address;
}

function resized(entropy: SeededEntropy, payload: Uint8Array): Uint8Array {
  if (entropy.chance(0.93)) return payload;
  if (entropy.chance(0.5)) return payload.subarray(0, entropy.integer(0, payload.length));
  const more = new Uint8Array(entropy.integer(1, 20));
  entropy.fill(more);
  return join(payload, more);
}

function wrap(entropy: SeededEntropy, from: Endpoint, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET + WRAPPING + payload.length);
  entropy.fill(frame.subarray(6, 12));
  writeUint16(frame, 12, 0x0800);
  const b = frame.subarray(ETHERNET);
  b[0] = 0x45;
  b[1] = entropy.chance(0.3) ? entropy.integer(0, 256) : 0;
  writeUint16(b, 2, b.length);
  writeUint16(b, 4, entropy.integer(0, 65_536));
  writeUint16(b, 6, entropy.chance(0.3) ? 0x4000 : 0); // DF
  b.set([entropy.integer(1, 256), 17], 8);
  writeUint32(b, 12, from.address);
  writeUint32(b, 16, entropy.pick([PRIMARY, SECONDARY]).address);
  writeUint16(b, 20, from.port);
  writeUint16(b, 22, TEREDO_PORT);
  writeUint16(b, 24, 8 + payload.length);
  b.set(payload, WRAPPING);
  return frame;
}

/** Corrects the checksum of an ICMPv6 message of 8 octets after changes to its headers. */
function seal(packet: Uint8Array): void {
  writeUint16(packet, ICMPV6_CHECKSUM, 0);
  writeUint16(packet, ICMPV6_CHECKSUM, internetChecksum(packet, 8, 48, 8 + 58));
}

/** Corrects the IPv4 header and UDP checksums. The UDP one is sometimes another value that a sender may choose. */
function sealOuter(entropy: SeededEntropy, frame: Uint8Array): void {
  const b = frame.subarray(ETHERNET);
  writeUint16(b, 10, 0);
  writeUint16(b, 10, internetChecksum(b, 0, 20));
  writeUint16(frame, UDP + 6, 0);
  const pseudo = pseudoSum(b, 20);
  const right = internetChecksum(b, 20, b.length, pseudo) || 0xffff;
  const wrong = right ^ (1 << entropy.integer(0, 16));
  const unfinished = foldSum(pseudo);
  const chance = entropy.unit();
  writeUint16(frame, UDP + 6, chance < 0.88 ? right : chance < 0.94 ? 0 : chance < 0.97 ? unfinished : wrong);
}
