/** Which datagrams the driver's program unwraps. Whatever it unwraps, `decap` carries with the same octets: `runIn` compares the two. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { buildIpv4Udp } from '../../src/sim/pcap.ts';
import { SeededEntropy } from '../../src/sim/index.ts';
import {
  NEXT_HEADER,
  foldSum,
  internetChecksum,
  parsePrefix,
  pseudoHeaderSum,
  readUint16,
  transportChecksum,
  writeUint16,
} from '../../src/wire/index.ts';
import { CarryingPrograms, ETHERNET, monotonic } from '../support/carrying-programs.ts';
import { at, data, v6 } from '../support/client-rig.ts';
import { IS_ALL } from '../support/extent.ts';
import { udpSeed } from '../support/host-receive.ts';
import { upFor } from '../support/uptime.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const NATIVE = v6('2001:db8::1');
const LOCAL = at('192.0.2.1:3545');
const PLACE = at('198.51.100.7:40000');
const IPV4 = ETHERNET;
const UDP = IPV4 + 20;
const PAYLOAD = UDP + 8;
const TCP = PAYLOAD + 40;
const CHECK = TCP + 16;
const FRAMES = IS_ALL ? 2_000_000 : 60_000;
const SEED = Number(process.env['TEREDO_SEED'] ?? Date.now() % 2 ** 31);

/** By the kind of interface. */
const KINDS = ['hardware', 'virtual'] as const;
const made = new Map<string, CarryingPrograms>();
let programs: CarryingPrograms;
let role: 'client' | 'relay';
beforeAll(async () => {
  await upFor(35_000);
  enterNewNetwork();
  for (const kind of KINDS) made.set(kind, new CarryingPrograms(LOCAL, kind === 'virtual'));
});
afterAll(() => {
  for (const one of made.values()) one.close();
});

function begin(ago = 0): void {
  programs.configure({ role, own: role === 'client' ? OWN : undefined, serve: [parsePrefix('2000::/3')!] });
  programs.put(PEER, 0, PLACE, monotonic() - ago);
  // The peer's kernel is known to unwrap: the first datagram without a checksum has something to be noted.
  arrives(bare(frameOf(segment(0))));
}

/** A TCP segment of the peer. */
function segment(size: number): Uint8Array {
  const packet = data(PEER, role === 'client' ? OWN : NATIVE, 60 + size);
  packet[6] = NEXT_HEADER.TCP;
  for (let i = 40; i < packet.length; i++) packet[i] = i * 13 + size;
  packet[52] = 0x50;
  return sealed(packet);
}

function sealed(packet: Uint8Array): Uint8Array {
  writeUint16(packet, 56, 0);
  writeUint16(packet, 56, transportChecksum(packet, 0, NEXT_HEADER.TCP, 40, packet.length));
  return packet;
}

function frameOf(packet: Uint8Array): Uint8Array {
  const datagram = buildIpv4Udp({
    source: PLACE.address,
    sourcePort: PLACE.port,
    destination: LOCAL.address,
    destinationPort: LOCAL.port,
    timeToLive: 64,
    payload: packet,
  });
  const frame = new Uint8Array(ETHERNET + datagram.length);
  writeUint16(frame, ETHERNET - 2, 0x0800);
  frame.set(datagram, ETHERNET);
  return frame;
}

/** Without a UDP checksum. */
function bare(frame: Uint8Array): Uint8Array {
  return frame.fill(0, UDP + 6, UDP + 8);
}

function sealIpv4(frame: Uint8Array): Uint8Array {
  writeUint16(frame, IPV4 + 10, 0);
  writeUint16(frame, IPV4 + 10, internetChecksum(frame, IPV4, UDP));
  return frame;
}

function withWord(frame: Uint8Array, at: number, difference: number): Uint8Array {
  writeUint16(frame, at, readUint16(frame, at) + difference);
  return frame;
}

function withByte(frame: Uint8Array, at: number, value: number): Uint8Array {
  frame[at] = value;
  return frame;
}

/** The sum of the segment's pseudo-header in place of its checksum, as a kernel writes it where it leaves the sum to the interface. */
function unfinished(frame: Uint8Array): Uint8Array {
  const packet = frame.subarray(PAYLOAD);
  writeUint16(frame, CHECK, foldSum(pseudoHeaderSum(packet, 0, NEXT_HEADER.TCP, packet.length - 40)));
  return frame;
}

function arrives(frame: Uint8Array): 'in the driver' | 'at tc' | 'not' {
  const before = programs.unwrapped;
  programs.bench.frame.set(frame);
  const verdict = programs.runIn(frame.length);
  if (programs.unwrapped > before) return 'in the driver';
  return verdict === VERDICT.carried ? 'at tc' : 'not';
}

describe.each(KINDS.flatMap((kind) => (['client', 'relay'] as const).map((one) => ({ kind, one }))))(
  '$kind, $one',
  ({ kind, one }) => {
    beforeAll(() => {
      programs = made.get(kind)!;
      role = one;
    });

    test('segments of every length up to the MTU of the tunnel, with a checksum outside and without', () => {
      begin();
      const elsewhere: string[] = [];
      for (let size = 0; size <= 1_220; size++) {
        const frame = bare(frameOf(segment(size)));
        const got = arrives(frame);
        if (got !== 'in the driver') elsewhere.push(`${size}, bare: ${got}`);
        // Any octet that is wrong: `decap` decides, the kernel's TCP would drop it.
        frame[TCP + ((size * 7) % (20 + size))]! ^= 1;
        if (arrives(frame) === 'in the driver') elsewhere.push(`${size}, bare, with an error`);
      }
      for (let i = 0; i < 8; i++) arrives(frameOf(segment(0))); // the peer has another program now
      for (let size = 0; size <= 1_220; size++) {
        const frame = frameOf(segment(size));
        const got = arrives(frame);
        if (got !== 'in the driver') elsewhere.push(`${size}, summed: ${got}`);
        frame[UDP + ((size * 7) % (68 + size))]! ^= 1;
        if (arrives(frame) === 'in the driver') elsewhere.push(`${size}, summed, with an error`);
      }
      expect(elsewhere).toEqual([]);
    });

    test.each<[string, (frame: Uint8Array) => Uint8Array, 'at tc' | 'not']>([
      ['a wrong checksum inside, which the host drops', (f) => withWord(f, CHECK, 1), 'at tc'],
      [
        'congestion noted outside',
        (f) => sealIpv4(withByte(withByte(f, PAYLOAD + 1, 0x20), IPV4 + 1, 3)),
        'at tc',
      ],
      ['options of IPv4', (f) => sealIpv4(withByte(f, IPV4, 0x46)), 'not'],
      ['a fragment', (f) => sealIpv4(withByte(f, IPV4 + 6, 0x20)), 'not'],
      ['one more octet', (f) => Uint8Array.of(...f, 0), 'not'],
      ['its last octet missing', (f) => f.slice(0, -1), 'not'],
      ['another host on the link', (f) => withByte(f, 0, 2), 'not'],
      ['a group on the link', (f) => withByte(f, 0, 1), 'not'],
      ['a wrong IPv4 checksum', (f) => withWord(f, IPV4 + 10, 1), 'not'],
      ['another port', (f) => withWord(f, UDP, 1), 'not'],
      ['UDP inside', (f) => withByte(f, PAYLOAD + 6, NEXT_HEADER.UDP), 'at tc'],
      ['a destination that is not this host', (f) => withByte(f, PAYLOAD + 24, 0xfe), 'not'],
    ])('not in the driver: %s', (_, change, expected) => {
      begin();
      expect(arrives(change(bare(frameOf(segment(100)))))).toBe(expected);
      expect(arrives(bare(frameOf(segment(100))))).toBe('in the driver');
    });

    test('a checksum inside that is still to be made: in the driver on a virtual link only', () => {
      begin();
      expect(arrives(unfinished(bare(frameOf(segment(100)))))).toBe(
        kind === 'virtual' ? 'in the driver' : 'at tc',
      );
    });

    test('a right checksum outside that equals the sum of the pseudo-header is left to `decap`: the kernel may take it for one to be made', () => {
      begin();
      for (let i = 0; i < 8; i++) arrives(frameOf(segment(0)));
      const packet = segment(1_000);
      const frame = frameOf(packet);
      const wanted = foldSum(udpSeed(frame, IPV4, readUint16(frame, UDP + 4)));
      // The flow label is outside the segment's checksum.
      let equal: Uint8Array | undefined;
      for (let label = 0; label < 1 << 16 && equal === undefined; label++) {
        writeUint16(packet, 2, label);
        const tried = frameOf(packet);
        if (readUint16(tried, UDP + 6) === wanted) equal = tried;
      }
      expect(arrives(equal!)).toBe('at tc');
      writeUint16(packet, 2, readUint16(packet, 2) ^ 1);
      expect(arrives(frameOf(packet))).toBe('in the driver');
    });

    test('whatever has to be noted is left to `decap`: samples, a peer that is not seen, that is not valid, or that has changed its program', () => {
      const full = (): Uint8Array => bare(frameOf(segment(100)));
      const empty = (): Uint8Array => bare(frameOf(segment(0)));
      const after = (ago: number, frame: Uint8Array): string => {
        begin(ago);
        return arrives(frame);
      };
      expect(after(3_800, empty())).toBe('in the driver');
      expect(after(5_800, full())).toBe('in the driver');
      expect(after(10_500, full())).toBe('not');
      begin();
      expect(arrives(frameOf(segment(100)))).toBe('at tc'); // for the first time with a checksum
    });

    test(`random changes: seed ${SEED}`, () => {
      const random = new SeededEntropy(SEED);
      const got = { 'in the driver': 0, 'at tc': 0, not: 0 };
      for (let i = 0; i < FRAMES / 4; i++) {
        if (i % 500 === 0) begin(random.pick([0, 0, 3_000, 4_500, 7_000, 12_000, 31_000]));
        const packet = segment(random.pick([0, 1, 2, 3, 7, 64, 500, 1_219, 1_220, 1_221]));
        packet[1] = random.pick([0, 0, 0x10, 0x20, 0x30]);
        let frame = frameOf(packet);
        if (random.chance(0.7)) bare(frame);
        if (random.chance(0.1)) unfinished(frame);
        if (random.chance(0.2)) sealIpv4(withByte(frame, IPV4 + 1, random.integer(0, 4)));
        if (random.chance(0.3))
          frame[random.integer(0, Math.min(frame.length, 120))]! ^= 1 << random.integer(0, 8);
        if (random.chance(0.05)) frame = frame.slice(0, frame.length - random.integer(1, 30));
        if (random.chance(0.2)) sealIpv4(frame);
        got[arrives(frame)]++;
      }
      for (const count of Object.values(got)) expect(count).toBeGreaterThan(FRAMES / 100);
    });
  },
);
