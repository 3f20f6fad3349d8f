import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { sys } from '../linux/libc.ts';
import { Slab } from '../linux/slab.ts';
import { VNET } from '../linux/tun.ts';
import {
  IPV6_HEADER,
  NEXT_HEADER,
  foldSum,
  parseIpv6,
  pseudoHeaderSum,
  transportChecksum,
  writeIpv6Header,
  writeUint16,
  writeUint32,
} from '../wire/index.ts';
import { PacketMerger } from './packet-merger.ts';
import { PacketSplitter } from './packet-splitter.ts';

const SOURCE = parseIpv6('2001:0:c000:201::1')!;
const DESTINATION = parseIpv6('2001:db8::1')!;
const ACK = 0x10;
const ACK_PSH = 0x18;

interface Shape {
  readonly protocol?: 'tcp' | 'udp';
  readonly port?: number;
  readonly size?: number;
  readonly sequence?: number;
  readonly flags?: number;
  readonly options?: number;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
  readonly acknowledged?: number;
  readonly wrongChecksum?: boolean;
}

test('a run of segments of one connection crosses as one packet, and is cut into the same segments', () => {
  const sent = Array.from({ length: 40 }, (_, i) => packet({ sequence: 1_000 + i * 1_000, size: 1_000 }));
  const frames = merge(sent);
  expect(frames).toHaveLength(1);
  expect(split(frames)).toEqual(sent);
});

test('so does a run of datagrams, if the kernel supports that', () => {
  const sent = Array.from({ length: 40 }, (_, i) => packet({ protocol: 'udp', size: i < 39 ? 100 : 7 }));
  expect(merge(sent)).toHaveLength(1);
  expect(split(merge(sent))).toEqual(sent);
  expect(merge(sent, false)).toEqual(sent.map(alone));
});

test('the last segment may be shorter or have PSH set; the next one begins a new run', () => {
  const short = [
    packet({ sequence: 0, size: 500 }),
    packet({ sequence: 500, size: 20 }),
    packet({ sequence: 520, size: 500 }),
  ];
  expect(merge(short)).toHaveLength(2);
  expect(split(merge(short))).toEqual(short);
  const pushed = [
    packet({ sequence: 0 }),
    packet({ sequence: 100, flags: ACK_PSH }),
    packet({ sequence: 200 }),
  ];
  expect(merge(pushed)).toHaveLength(2);
  expect(split(merge(pushed))).toEqual(pushed);
});

test.each<[string, Shape]>([
  ['a gap in the sequence', { sequence: 101 }],
  ['a longer segment', { sequence: 100, size: 101 }],
  ['another acknowledgement', { sequence: 100, acknowledged: 7 }],
  ['other options', { sequence: 100, options: 12 }],
  ['FIN', { sequence: 100, flags: ACK | 1 }],
  ['SYN', { sequence: 100, flags: ACK | 2 }],
  ['URG', { sequence: 100, flags: ACK | 0x20 }],
  ['ECE', { sequence: 100, flags: ACK | 0x40 }],
  ['CWR', { sequence: 100, flags: ACK | 0x80 }],
  ['another ECN mark', { sequence: 100, trafficClass: 3 }],
  ['another hop limit', { sequence: 100, hopLimit: 63 }],
  ['another flow', { sequence: 100, port: 2 }],
  ['another protocol', { protocol: 'udp' }],
  ['a wrong checksum', { sequence: 100, wrongChecksum: true }],
  ['no payload', { sequence: 100, size: 0 }],
])('not merged: %s', (_, shape) => {
  const sent = [packet({ sequence: 0 }), packet(shape)];
  expect(new Set(merge(sent))).toEqual(new Set(sent.map(alone)));
});

test('a wrong checksum of the first segment is not corrected by the second', () => {
  const sent = [packet({ sequence: 0, wrongChecksum: true }), packet({ sequence: 100 })];
  expect(merge(sent)).toEqual(sent.map(alone));
});

test('no packet is lost or changed, and each flow keeps its order', () => {
  const shape = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    port: fc.integer({ min: 1, max: 12 }),
    size: fc.constantFrom(0, 1, 99, 100, 1_200),
    flags: fc.constantFrom(ACK, ACK, ACK, ACK_PSH, ACK | 1),
    options: fc.constantFrom(0, 0, 12),
    jump: fc.constantFrom(0, 0, 0, 5),
    wrongChecksum: fc.constantFrom(false, false, false, true),
  });
  fc.assert(
    fc.property(fc.array(shape, { maxLength: 150 }), (shapes) => {
      const sequences = new Map<number, number>();
      const sent = shapes.map(({ jump, ...s }) => {
        const sequence = (sequences.get(s.port) ?? 0xffff_ff00) + jump;
        sequences.set(s.port, sequence + s.size);
        return packet({ ...s, sequence: sequence >>> 0 });
      });
      expect(byFlow(split(merge(sent)))).toEqual(byFlow(sent));
    }),
  );
});

test('a checksum that the kernel left unfinished is completed', () => {
  const whole = packet({ size: 333 });
  const slab = new Slab(1, 2_048, 64);
  onTestFinished(() => slab.release());
  const at = slab.start(0);
  slab.bytes.set(whole, at);
  // The field holds the sum of the pseudo-header, not inverted.
  const pseudo = 0xffff ^ transportChecksum(whole, 0, NEXT_HEADER.TCP, whole.length, whole.length);
  writeUint16(slab.bytes, at + IPV6_HEADER + 16, (pseudo + whole.length - IPV6_HEADER) % 0xffff);
  const header = at - VNET.LENGTH;
  slab.bytes.set([VNET.NEEDS_CHECKSUM, 0, 0, 0, 0, 0, IPV6_HEADER, 0, 16, 0], header);
  expect(new PacketSplitter(slab.bytes).finish(header, at, whole.length)).toBe(true);
  expect(slab.bytes.slice(at, at + whole.length)).toEqual(whole);
});

test.each([{ protocol: 'tcp', flags: 2 }, { protocol: 'tcp' }, { protocol: 'udp' }] as const)(
  'a checksum that the sender left to the receiver is left to the kernel here: %o',
  (shape) => {
    const whole = packet(shape);
    const [frame] = merge([unfinished(whole)]);
    expect(frame![VNET.FLAGS]).toBe(VNET.NEEDS_CHECKSUM);
    const buffer = Uint8Array.from(frame!);
    expect(new PacketSplitter(buffer).finish(0, VNET.LENGTH, whole.length)).toBe(true);
    expect(buffer.slice(VNET.LENGTH)).toEqual(whole);
  },
);

test('so is the segmentation of a packet larger than the MTU', () => {
  const size = 1_220 - 12;
  const segments = Array.from({ length: 5 }, (_, i) =>
    packet({ sequence: i * size, size: i < 4 ? size : 99, options: 12 }),
  );
  const [whole] = merge(segments);
  expect(split(merge([whole!.slice(VNET.LENGTH)]))).toEqual(segments);
});

test('a packet that is complete, or merely wrong, stays as it is', () => {
  for (const bytes of [packet({}), packet({ wrongChecksum: true }), packet({ protocol: 'udp' })])
    expect(merge([bytes])).toEqual([alone(bytes)]);
});

test('headers that make no sense are refused', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 10, maxLength: 10 }),
      fc.uint8Array({ maxLength: 200 }),
      (header, bytes) => {
        const buffer = new Uint8Array(70_000);
        buffer.set(header);
        buffer.set(bytes, 10);
        const splitter = new PacketSplitter(buffer);
        splitter.finish(0, 10, bytes.length);
        if (!splitter.begin(0, 10, bytes.length)) return;
        while (splitter.hasMore) expect(splitter.next(1_000)).toBeLessThanOrEqual(splitter.largest);
      },
    ),
  );
});

function packet(shape: Shape): Uint8Array {
  const { protocol = 'tcp', port = 1, size = 100, options = 0 } = shape;
  const header = protocol === 'tcp' ? 20 + options : 8;
  const b = new Uint8Array(IPV6_HEADER + header + size);
  const payloadLength = header + size;
  const nextHeader = protocol === 'tcp' ? NEXT_HEADER.TCP : NEXT_HEADER.UDP;
  const { hopLimit = 64, trafficClass = 0 } = shape;
  writeIpv6Header(b, 0, {
    payloadLength,
    nextHeader,
    hopLimit,
    trafficClass,
    source: SOURCE,
    destination: DESTINATION,
  });
  writeUint16(b, 40, port);
  writeUint16(b, 42, 80);
  for (let i = 0; i < size; i++) b[IPV6_HEADER + header + i] = i * 7 + (shape.sequence ?? 0);
  if (protocol === 'tcp') {
    writeUint32(b, 44, shape.sequence ?? 0);
    writeUint32(b, 48, shape.acknowledged ?? 5);
    b[52] = (header / 4) << 4;
    b[53] = shape.flags ?? ACK;
    writeUint16(b, 54, 512);
  } else {
    writeUint16(b, 44, payloadLength);
  }
  const checksum = transportChecksum(b, 0, nextHeader, IPV6_HEADER, b.length) || 0xffff;
  writeUint16(b, protocol === 'tcp' ? 56 : 46, shape.wrongChecksum === true ? checksum ^ 0x0100 : checksum);
  return b;
}

/** The same packet with the sum of the pseudo-header alone, as a kernel hands it to an interface that completes checksums. */
function unfinished(bytes: Uint8Array): Uint8Array {
  const b = bytes.slice();
  const sum = foldSum(pseudoHeaderSum(b, 0, b[6]!, b.length - IPV6_HEADER));
  writeUint16(b, b[6] === NEXT_HEADER.TCP ? 56 : 46, sum);
  return b;
}

/** The octets written for a packet that is not merged. */
function alone(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(...new Uint8Array(VNET.LENGTH), ...bytes);
}

/** The octets that the merger writes for these packets: virtio headers and packets. */
function merge(packets: readonly Uint8Array[], mergesUdp = true): Uint8Array[] {
  const slab = new Slab(packets.length, 65_536, 0);
  const file = join(tmpdir(), `teredo-merge-${process.pid}`);
  const frames: Uint8Array[] = [];
  const merger = new PacketMerger(mergesUdp, (pieces) => {
    const fd = openSync(file, 'w');
    sys.writev(fd, pieces.address, pieces.count);
    closeSync(fd);
    frames.push(new Uint8Array(readFileSync(file)));
    expect(frames.at(-1)).toHaveLength(pieces.length);
  });
  try {
    packets.forEach((bytes, i) => {
      slab.bytes.set(bytes, slab.start(i));
      merger.add(slab.bytes, slab.start(i), bytes.length);
    });
    merger.flush();
  } finally {
    slab.release();
    rmSync(file, { force: true });
  }
  return frames;
}

function split(frames: readonly Uint8Array[]): Uint8Array[] {
  return frames.flatMap((frame) => {
    const length = frame.length - VNET.LENGTH;
    if (frame[VNET.GSO_TYPE] === VNET.GSO_NONE) return [frame.slice(VNET.LENGTH)];
    const buffer = new Uint8Array(140_000);
    buffer.set(frame);
    const splitter = new PacketSplitter(buffer);
    expect(splitter.begin(0, VNET.LENGTH, length)).toBe(true);
    const segments: Uint8Array[] = [];
    while (splitter.hasMore) {
      const size = splitter.next(70_000);
      segments.push(buffer.slice(70_000, 70_000 + size));
    }
    return segments;
  });
}

function byFlow(packets: readonly Uint8Array[]): Map<string, Uint8Array[]> {
  const flows = new Map<string, Uint8Array[]>();
  for (const b of packets) {
    const flow = `${b[6]}:${b[40]}:${b[41]}`;
    flows.set(flow, [...(flows.get(flow) ?? []), b]);
  }
  return flows;
}
