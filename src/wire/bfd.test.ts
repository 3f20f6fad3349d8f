import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BFD_STATE, buildBfd, fromHex, parseIpv6, readBfd, toHex } from './index.ts';
import type { BfdPacket, BfdState } from './index.ts';

/** The first packet of BIRD 2.0.12 to a neighbour on a TUN interface. */
const OF_BIRD =
  '6c04265f002011fffe800000000000000000000000000001fe800000000000000000000000000002' +
  '9ec80ec800204aac20400a18a29785fd00000000000f42400000753000000000';

const OF_BIRD_READ: BfdPacket = {
  source: parseIpv6('fe80::1')!,
  destination: parseIpv6('fe80::2')!,
  state: BFD_STATE.down,
  poll: false,
  final: false,
  multiplier: 10,
  mine: 0xa29785fd,
  yours: 0,
  desiredMinTx: 1_000_000,
  requiredMinRx: 30_000,
};

const number = fc.integer({ min: 1, max: 0xffff_ffff });
const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((octets) => Uint8Array.from(octets));
const packets: fc.Arbitrary<BfdPacket> = fc.record({
  source: address,
  destination: address,
  state: fc.constantFrom<BfdState>(0, 1, 2, 3),
  poll: fc.boolean(),
  final: fc.boolean(),
  multiplier: fc.integer({ min: 1, max: 255 }),
  mine: number,
  yours: number,
  desiredMinTx: number,
  requiredMinRx: number,
});

test('a packet of BIRD is understood', () => {
  expect(readBfd(fromHex(OF_BIRD)!, 0)).toEqual(OF_BIRD_READ);
});

test('what is built can be read; the neighbour is on the link, the source port in the range of RFC 5881 section 4', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      const built = buildBfd(packet);
      expect(readBfd(built, 0)).toEqual(packet);
      expect([built[7], built.length]).toEqual([255, 72]);
      expect((built[40]! << 8) | built[41]!).toBeGreaterThanOrEqual(49_152);
    }),
  );
});

test('apart from the flow label and the port, BIRD builds the same octets', () => {
  const [built, ofBird] = [buildBfd(OF_BIRD_READ), fromHex(OF_BIRD)!];
  const withoutThose = (octets: Uint8Array): string => toHex(octets.slice(4, 40)) + toHex(octets.slice(48));
  expect(withoutThose(built)).toBe(withoutThose(ofBird));
});

test.for([
  ['another next header', 6, 6],
  ['a hop limit that shows a router on the way', 7, 254],
  ['another port', 43, 0xc9],
  ['a length of UDP that is not that of the packet', 45, 0x1f],
  ['a wrong checksum', 47, 0xad],
  ['another version', 48, 0x40],
  ['a flag for authentication', 49, 0x44],
  ['a flag for multipoint', 49, 0x41],
  ['a multiplier of 0', 50, 0],
  ['a length that is not its own', 51, 25],
  ['a state that needs the number of the receiver', 49, 0xc0],
] as const)('refused: %s', ([, at, value]) => {
  const octets = fromHex(OF_BIRD)!;
  octets[at] = value;
  if (at !== 47) seal(octets);
  expect(readBfd(octets, 0)).toBeUndefined();
});

test('refused: no number of the sender', () => {
  const octets = fromHex(OF_BIRD)!.fill(0, 52, 56);
  expect(readBfd(seal(octets), 0)).toBeUndefined();
});

/** Writes the right checksum. */
function seal(octets: Uint8Array): Uint8Array {
  octets.fill(0, 46, 48);
  const view = new DataView(octets.buffer);
  let sum = 0x20 + 17;
  for (let at = 8; at < octets.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(46, ~sum & 0xffff);
  return octets;
}
