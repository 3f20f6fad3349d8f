import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { Memory, sys } from '../linux/libc.ts';
import { VNET } from '../linux/tun.ts';
import {
  IPV6_HEADER,
  NEXT_HEADER,
  parseIpv6,
  readUint16,
  readUint32,
  transportChecksum,
  writeIpv6Header,
  writeUint16,
  writeUint32,
} from '../wire/index.ts';
import { TunReader } from './tun-reader.ts';
import type { ReadCounters } from './tun-reader.ts';
import { writeNative } from './unfinished-packet.ts';

const SOURCE = parseIpv6('2001:0:c000:201::1')!;
const DESTINATION = parseIpv6('2001:db8::1')!;
const [SEGMENT, TCP_HEADERS] = [1_200, IPV6_HEADER + 20];
const MOST_A_TURN = 256 << 10;

test('single packets go out before super-packets that were sent earlier', async () => {
  const tun = open();
  for (let i = 0; i < 20; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.send(single({ flow: 2 }));
  tun.reader.turn();
  expect(flowsOf(tun.delivered)[0]).toBe(2);
  await tun.settled(1_001);
});

test('one turn cuts a few super-packets, and the others follow in turns of their own', async () => {
  const tun = open();
  for (let i = 0; i < 20; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.reader.turn();
  const inFirst = tun.delivered.length;
  expect(inFirst * SEGMENT).toBeLessThan(MOST_A_TURN + 65_536);
  tun.reader.turn(); // the descriptor has become readable again before the next turn of those that wait
  expect(tun.delivered).toHaveLength(inFirst);
  await tun.settled(1_000);
});

test('a single packet waits behind super-packets of its own flow', async () => {
  const tun = open();
  for (let i = 0; i < 9; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.send(single({ flow: 1, sequence: 540_000 }));
  tun.reader.turn();
  await tun.settled(451);
  expect(sequencesOf(tun.delivered, 1)).toEqual(Array.from({ length: 451 }, (_, i) => i * SEGMENT));
});

test('more super-packets than can wait stay in the TUN until there is room', async () => {
  const tun = open();
  const all = 300;
  for (let i = 0; i < all; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.reader.turn();
  expect(tun.unread).toBeGreaterThan(200);
  await tun.settled(all * 50);
  expect(sequencesOf(tun.delivered, 1)).toEqual(Array.from({ length: all * 50 }, (_, i) => i * SEGMENT));
});

test('a turn in which each packet takes long is over after the batch under way', async () => {
  const tun = open(() => {
    const begun = performance.now();
    while (performance.now() - begun < 2);
  });
  for (let i = 0; i < 200; i++) tun.send(single({ flow: i }));
  tun.reader.turn();
  expect(tun.delivered).toHaveLength(64);
  await tun.settled(200);
});

test('a turn in which sending a super-packet takes long is over after two', async () => {
  const tun = open(() => {
    const begun = performance.now();
    while (performance.now() - begun < 2);
  });
  for (let i = 0; i < 20; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.reader.turn();
  expect(tun.delivered.length).toBeLessThanOrEqual(100);
  await tun.settled(1_000);
});

test('packets that wait go out at the end', () => {
  const tun = open();
  for (let i = 0; i < 20; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.reader.turn();
  expect(tun.delivered.length).toBeLessThan(1_000);
  tun.reader.close();
  expect(sequencesOf(tun.delivered, 1)).toEqual(Array.from({ length: 1_000 }, (_, i) => i * SEGMENT));
});

test('nothing is delivered after an end that a delivered packet has caused', async () => {
  const tun = open(() => tun.reader.close());
  for (let i = 0; i < 20; i++) tun.send(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }));
  tun.reader.turn();
  const before = tun.delivered.length;
  await new Promise((resolve) => setImmediate(resolve));
  expect(tun.delivered).toHaveLength(before);
  expect(before).toBeLessThanOrEqual(64);
});

test('no packet is lost or changed, and each flow keeps its order', async () => {
  const shape = fc.record({
    flow: fc.integer({ min: 1, max: 5 }),
    segments: fc.constantFrom(0, 0, 1, 3, 50),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(shape, { maxLength: 60 }), { maxLength: 6 }), async (turns) => {
      const tun = open();
      const next = new Map<number, number>();
      let segments = 0;
      for (const turn of turns) {
        for (const { flow, segments: count } of turn) {
          const sequence = next.get(flow) ?? 0;
          tun.send(
            count === 0 ? single({ flow, sequence }) : superPacket({ flow, segments: count, sequence }),
          );
          const sent = Math.max(count, 1);
          next.set(flow, sequence + sent * SEGMENT);
          segments += sent;
        }
        tun.reader.turn();
      }
      await tun.settled(segments);
      for (const [flow, end] of next)
        expect(sequencesOf(tun.delivered, flow)).toEqual(
          Array.from({ length: end / SEGMENT }, (_, i) => i * SEGMENT),
        );
      for (const packet of tun.delivered)
        expect(transportChecksum(packet, 0, NEXT_HEADER.TCP, IPV6_HEADER, packet.length)).toBe(0);
    }),
    { numRuns: 30 },
  );
});

/** The ECN fields of the segments of 300 super-packets, each of which waits for about so many ms. */
async function afterWaiting(ecn: number, ms: number): Promise<{ fields: number[][]; marked: number }> {
  const tun = open();
  for (let i = 0; i < 300; i++)
    tun.send(withEcn(superPacket({ flow: 1, segments: 50, sequence: i * 60_000 }), ecn));
  while (tun.delivered.length < 300 * 50) {
    tun.reader.turn();
    tun.clock.now += ms / 16; // a full queue is served in about so many turns
    await new Promise((resolve) => setImmediate(resolve));
  }
  const all = tun.delivered.map((packet) => (packet[1]! >> 4) & 3);
  const fields = Array.from({ length: 300 }, (_, i) => [...new Set(all.slice(50 * i, 50 * (i + 1)))]);
  return { fields, marked: tun.counters.markedPackets };
}

test.for([1, 2])(
  'of super-packets with ECN field %i that wait long some are marked, each in all segments',
  async (ecn) => {
    const { fields, marked } = await afterWaiting(ecn, 100);
    expect(marked).toBeGreaterThan(3);
    expect(marked).toBeLessThan(30);
    expect(fields.filter(([field]) => field === 3)).toHaveLength(marked);
    expect(fields.every((one) => one.length === 1 && [ecn, 3].includes(one[0]!))).toBe(true);
  },
);

test('super-packets that wait shortly, and those whose sender does not understand a mark, are not marked', async () => {
  expect((await afterWaiting(2, 4)).marked).toBe(0);
  const { fields, marked } = await afterWaiting(0, 100);
  expect([new Set(fields.flat()), marked]).toEqual([new Set([0]), 0]);
});

function withEcn(frame: Uint8Array, ecn: number): Uint8Array {
  frame[VNET.LENGTH + 1] = ecn << 4;
  return frame;
}

interface FakeTun {
  readonly reader: TunReader;
  readonly delivered: Uint8Array[];
  readonly counters: ReadCounters;
  /** In ms; stands still unless a test sets it. */
  readonly clock: { now: number };
  readonly unread: number;
  send(frame: Uint8Array): void;
  /** Serves the reader as the event loop does, until so many packets are delivered; fails if there are more. */
  settled(packets: number): Promise<void>;
}

function open(onDelivered = (): void => {}): FakeTun {
  const counters = { readPackets: 0, readBytes: 0, markedPackets: 0, readFailures: {} };
  const clock = { now: 0 };
  const pair = new Memory(8);
  expect(sys.socketpair(1, 2 | 0o4000, 0, pair.address)).toBe(0); // AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK: it keeps the boundaries of packets
  const [near, far] = [pair.view.getInt32(0, true), pair.view.getInt32(4, true)];
  const frames: Uint8Array[] = [];
  const frameMemory = new Memory(70_000);
  const reader = new TunReader(
    (address, size) => {
      const frame = frames.shift();
      if (frame === undefined) return -1;
      frameMemory.bytes.set(frame);
      sys.write(far, frameMemory.address, frame.length);
      return sys.read(near, address, size);
    },
    counters,
    () => clock.now,
  );
  const delivered: Uint8Array[] = [];
  reader.start((batch) => {
    for (let i = 0; i < batch.count; i++)
      delivered.push(batch.buffer.slice(batch.offsets[i]!, batch.offsets[i]! + batch.lengths[i]!));
    onDelivered();
  });
  onTestFinished(() => {
    reader.close();
    sys.close(near);
    sys.close(far);
  });
  return {
    reader,
    counters,
    clock,
    delivered,
    get unread() {
      return frames.length;
    },
    send: (frame) => frames.push(frame),
    settled: async (packets) => {
      for (let turns = 0; turns < 2_000 && delivered.length < packets; turns++) {
        if (frames.length > 0) reader.turn();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await new Promise((resolve) => setImmediate(resolve));
      expect(delivered).toHaveLength(packets);
    },
  };
}

interface Shape {
  readonly flow: number;
  readonly sequence?: number;
}

/** A TCP segment behind a virtio header. */
function single({ flow, sequence = 0 }: Shape): Uint8Array {
  const frame = tcp(flow, sequence, SEGMENT);
  const checksum = transportChecksum(
    frame,
    VNET.LENGTH,
    NEXT_HEADER.TCP,
    VNET.LENGTH + IPV6_HEADER,
    frame.length,
  );
  writeUint16(frame, VNET.LENGTH + IPV6_HEADER + 16, checksum);
  return frame;
}

function superPacket({ flow, sequence = 0, segments }: Shape & { readonly segments: number }): Uint8Array {
  const frame = tcp(flow, sequence, segments * SEGMENT);
  frame[VNET.FLAGS] = VNET.NEEDS_CHECKSUM;
  frame[VNET.GSO_TYPE] = VNET.GSO_TCP6;
  writeNative(frame, VNET.HEADER_LENGTH, TCP_HEADERS);
  writeNative(frame, VNET.GSO_SIZE, SEGMENT);
  writeNative(frame, VNET.CHECKSUM_START, IPV6_HEADER);
  writeNative(frame, VNET.CHECKSUM_OFFSET, 16);
  return frame;
}

function tcp(flow: number, sequence: number, payload: number): Uint8Array {
  const frame = new Uint8Array(VNET.LENGTH + TCP_HEADERS + payload).fill(flow);
  frame.fill(0, 0, VNET.LENGTH + TCP_HEADERS);
  const header = { payloadLength: 20 + payload, nextHeader: NEXT_HEADER.TCP, hopLimit: 64, trafficClass: 0 };
  writeIpv6Header(frame, VNET.LENGTH, { ...header, source: SOURCE, destination: DESTINATION });
  const at = VNET.LENGTH + IPV6_HEADER;
  writeUint16(frame, at, flow);
  writeUint32(frame, at + 4, sequence);
  frame[at + 12] = 0x50;
  frame[at + 13] = 0x10; // ACK
  return frame;
}

function flowsOf(packets: readonly Uint8Array[]): number[] {
  return packets.map((packet) => readUint16(packet, IPV6_HEADER));
}

function sequencesOf(packets: readonly Uint8Array[], flow: number): number[] {
  const own = packets.filter((packet) => readUint16(packet, IPV6_HEADER) === flow);
  return own.map((packet) => readUint32(packet, IPV6_HEADER + 4));
}
