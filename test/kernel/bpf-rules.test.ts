import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Carrier } from '../../src/core/offload/carrier.ts';
import { CONFIG, ROLE, UPLINK, WAY } from '../../src/linux/bpf/layout.ts';
import type { Way } from '../../src/linux/bpf/layout.ts';
import { OwnPorts } from '../../src/linux/bpf/own-ports.ts';
import { PeerMap, emptyCarried } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { ServedMap } from '../../src/linux/bpf/served-map.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import {
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  internetChecksum,
  parsePrefix,
  transportChecksum,
  writeUint16,
  readUint32,
  writeUint32,
} from '../../src/wire/index.ts';
import { bubble, data, v4, v6 } from '../support/client-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../support/source-routes.ts';
import { upFor } from '../support/uptime.ts';
import { IS_ALL } from '../support/extent.ts';

/**
 * The programs, and the machine's model of them (core/offload/carrier, with which the simulator runs), get the same packets. Each packet
 * has to be carried by both, to the same address and with the same bytes, or by neither.
 */

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const STRANGER = v6('2001:0:cb00:7178::3');
const NATIVE = v6('2001:db8::1');
const LOCAL = v4('192.0.2.1');
const LOCAL_PORT = 3_545;
const PLACE = { address: v4('198.51.100.7'), port: 40_000 };
const ROUTE = { ...PLACE, localPort: LOCAL_PORT, uplink: 0 };
const ELSEWHERE = { address: v4('198.51.100.8'), port: 40_001 };
const ETHERNET = 14;
const WRAPPING = 28;

let rig: Rig;
beforeAll(async () => {
  await upFor(35_000);
  enterNewNetwork();
  rig = new Rig();
});
afterAll(() => rig.close());

test('the removal of all peers calls back once for each, however many batches that takes', () => {
  const program = loadPeerProgram({ peers: 10_000, served: 16, proofs: 16, reports: 1 << 16 });
  const peers = new PeerMap(program.map('peers'));
  const key = PEER.slice();
  for (let i = 0; i < 10_000; i++) {
    writeUint32(key, 12, i);
    expect(peers.put(key, 0, ROUTE, i, i)).toBe(0);
  }
  const taken = new Set<number>();
  let steps = 0;
  for (const _ of peers.clear((peer) => taken.add(readUint32(peer, 12)))) steps++;
  expect([taken.size, peers.size]).toEqual([10_000, 0]);
  expect(steps).toBeGreaterThan(5);
  program.close();
});

test('a table that cannot be read is an error, not an empty one', () => {
  const peers = new PeerMap(-1);
  expect(() => peers.clear(() => {}).next()).toThrow(/EBADF/);
  expect(() => peers.forEach(() => {})).toThrow(/EBADF/);
});

describe.each(['client', 'relay'] as const)('%s', (role) => {
  const inside = role === 'client' ? OWN : NATIVE;

  test('a packet to the peer is wrapped: DF off, no ECN, TTL 64, no checksum, its own identification', () => {
    rig.begin(role);
    const packet = data(inside, PEER, 100);
    packet[1] = 0x30; // CE
    const first = rig.out(packet)!;
    const second = rig.out(packet)!;
    expect(first.inner).toEqual(packet);
    expect(first.outer[1]! & 3).toBe(0); // N-1
    expect([first.outer[6], first.outer[7], first.outer[8], first.outer[9]]).toEqual([0, 0, 64, 17]); // C-23
    expect(internetChecksum(first.outer, 0, 20)).toBe(0);
    expect([first.outer[26], first.outer[27]]).toEqual([0, 0]);
    expect(first.outer.slice(4, 6)).not.toEqual(second.outer.slice(4, 6));
  });

  test('for a peer that is not known to accept datagrams without a checksum they have a right one, or are left to the process', () => {
    const payloads = [0, 1, 2, 31, 1_219, 1_220].flatMap((size) => [
      tcpSegment(inside, PEER, size),
      udpDatagram(inside, PEER, size),
      echoRequest(inside, PEER, size),
    ]);
    for (const packet of payloads.filter(({ length }) => length <= 1_280)) {
      rig.begin(role, 0, WAY.checked); // on a slow machine the peer would soon have been silent for too long
      const { outer, inner } = rig.out(packet)!;
      expect(inner).toEqual(packet);
      expect([outer[26], outer[27]]).not.toEqual([0, 0]);
      expect(udpSum(outer, inner)).toBe(0xffff);
    }
    const unsummed = udpDatagram(inside, PEER, 20);
    unsummed.fill(0, 46, 48);
    const shorter = udpDatagram(inside, PEER, 20);
    shorter[45]!--;
    const others = [NEXT_HEADER.NONE, NEXT_HEADER.FRAGMENT, 50, 51, 60, 132].map((next) =>
      withByte(data(inside, PEER, 100), 6, next),
    );
    for (const packet of [unsummed, shorter, ...others]) {
      rig.begin(role, 0, WAY.checked);
      expect(rig.out(packet)).toBeUndefined();
    }
  });

  test('nothing is sent by this path to a peer that has not answered it', () => {
    rig.begin(role, 0, WAY.inward);
    expect(rig.out(data(inside, PEER, 100))).toBeUndefined();
    expect(rig.both('in', data(PEER, inside, 100))).toBe(true);
  });

  test('ECN on the way in is combined as RFC 6040 says', () => {
    rig.begin(role);
    // By inner and outer field: the result, or undefined if the packet is dropped.
    const expected = [
      [0, 0, 0, undefined],
      [1, 1, 1, 3],
      [2, 1, 2, 3],
      [3, 3, 3, 3],
    ];
    const got = expected.map((row, inner) =>
      row.map((_, outer) => {
        const packet = withByte(data(PEER, inside, 100), 1, inner << 4);
        rig.both('in', packet, PLACE, outer);
        const { verdict, frame } = rig.run('decap', rig.wrap(packet, { tos: outer }));
        return verdict === VERDICT.dropped ? undefined : (frame[ETHERNET + 1]! >> 4) & 3;
      }),
    );
    expect(got).toEqual(expected);
  });

  test('C-31: extension headers are left to the machine in both directions, except a fragment of the host without any after it', () => {
    rig.begin(role);
    const fragments = ['a first fragment', 'a later fragment, whose data look like a routing header'];
    for (const [name, chain] of [...SOURCE_ROUTED, ...NOT_SOURCE_ROUTED]) {
      const isOpaque = name.startsWith('an encrypted payload');
      expect(rig.both('in', extended(data(PEER, inside, 100), chain)), name).toBe(isOpaque);
      expect(rig.both('out', extended(data(inside, PEER, 100), chain)), name).toBe(
        isOpaque || fragments.includes(name),
      );
    }
  });

  test('each rule violated in turn: neither carries the packet', () => {
    rig.begin(role);
    const good = data(PEER, inside, 100);
    const wrong: Uint8Array[] = [
      data(STRANGER, inside, 100),
      data(PEER, STRANGER, 100),
      bubble(PEER, inside),
      ...[NEXT_HEADER.HOP_BY_HOP, NEXT_HEADER.ROUTING, NEXT_HEADER.FRAGMENT].map((next) =>
        withByte(good, 6, next),
      ),
      withByte(good, 0, 0x40),
      Uint8Array.of(...good, 0),
      good.subarray(0, -1),
    ];
    for (const packet of wrong) expect(rig.both('in', packet)).toBe(false);
    for (const from of [
      { ...PLACE, port: 1 },
      { ...PLACE, address: ELSEWHERE.address },
    ])
      expect(rig.both('in', good, from)).toBe(false);
    for (const change of [
      { to: ELSEWHERE.address },
      { toPort: 3_544 },
      { fragment: 0x2000 },
      { fragment: 1 },
      { options: true },
    ])
      expect(rig.run('decap', rig.wrap(good, change)).verdict).toBe(VERDICT.goOn);
    expect(rig.both('in', good)).toBe(true);

    for (const packet of [data(inside, STRANGER, 100), data(STRANGER, PEER, 100), data(inside, PEER, 1_281)])
      expect(rig.both('out', packet)).toBe(false);
    expect(rig.both('out', data(inside, PEER, 1_280))).toBe(true);
  });

  test('to a peer: only while it was heard within 30 s', () => {
    for (const [ago, carried] of [
      [29_000, true],
      [31_000, false],
    ] as const) {
      rig.begin(role, ago);
      expect(rig.both('out', data(inside, PEER, 100))).toBe(carried);
    }
  });

  test('from a peer: only while its socket has received something from it within 10 s; from 4 s on one packet a second is left to the socket', () => {
    for (const [ago, carried] of [
      [3_800, [true, true]],
      [4_200, [false, true]],
      [9_800, [false, true]],
      [10_200, [false, false]],
    ] as const) {
      rig.begin(role, ago);
      expect([1, 2].map(() => rig.both('in', data(PEER, inside, 100)))).toEqual(carried);
    }
  });

  test('a TCP segment with data, which should not arrive late, is left to the socket from 6 s on only', () => {
    const segment = tcpSegment(PEER, inside, 100);
    const acknowledgement = tcpSegment(PEER, inside, 0);
    for (const [packet, ago, carried] of [
      [segment, 5_800, true],
      [segment, 6_200, false],
      [acknowledgement, 5_800, false],
    ] as const) {
      rig.begin(role, ago);
      expect(rig.both('in', packet)).toBe(carried);
    }
  });

  test('however many peers there are: samples from 8 s on at the latest, each packet from 14 s on', () => {
    for (const [ago, carried] of [
      [7_800, [true, true]],
      [8_200, [false, true]],
      [13_800, [false, true]],
      [14_200, [false, false]],
    ] as const) {
      rig.begin(role, ago, WAY.bare, 40);
      const datagram = rig.wrap(data(PEER, inside, 100));
      expect([1, 2].map(() => rig.run('decap', datagram).verdict === VERDICT.carried)).toEqual(carried);
    }
    for (const [ago, carried] of [
      [9_800, true],
      [10_200, false],
    ] as const) {
      rig.begin(role, ago, WAY.bare, 40);
      const datagram = rig.wrap(tcpSegment(PEER, inside, 100));
      expect(rig.run('decap', datagram).verdict === VERDICT.carried).toBe(carried);
    }
  });

  test('silent for 2 s although sent to: all packets are left to the machine until the peer is heard', () => {
    rig.begin(role, 3_000);
    const packet = data(inside, PEER, 100);
    expect([1, 2, 3].map(() => rig.both('out', packet))).toEqual([true, false, false]);
    expect(rig.both('in', data(PEER, inside, 100))).toBe(true);
    expect(rig.both('out', packet)).toBe(true);
  });

  test('truncated at every length, and with every bit flipped: the same verdict and the same bytes', () => {
    for (const way of ['in', 'out'] as const) {
      const packet = way === 'in' ? data(PEER, inside, 64) : data(inside, PEER, 64);
      // The kernel's stack sends no packet without a complete header, and neither does a test run.
      for (let length = way === 'in' ? 1 : 40; length < packet.length; length++) {
        rig.begin(role);
        rig.both(way, packet.slice(0, length));
      }
      for (let bit = 0; bit < packet.length * 8; bit++) {
        rig.begin(role);
        rig.both(way, withByte(packet, bit >> 3, packet[bit >> 3]! ^ (1 << (bit & 7))));
      }
    }
  });

  test('random packets', () => {
    const address = fc.constantFrom(
      OWN,
      PEER,
      STRANGER,
      NATIVE,
      v6('fe80::1'),
      v6('ff02::1'),
      v6('::1'),
      v6('::'),
    );
    const header = fc.record({
      way: fc.constantFrom('in' as const, 'out' as const),
      source: address,
      destination: address,
      size: fc.constantFrom(40, 41, 48, 56, 64, 1_279, 1_280, 1_281, 1_400),
      next: fc.constantFrom(0, 6, 17, 43, 44, 50, 51, 58, 59, 60, 135, 139, 140),
      first: fc.constantFrom(134, 129, 128, 0),
      from: fc.constantFrom(PLACE, PLACE, ELSEWHERE),
      ago: fc.constantFrom(0, 2_000, 29_000, 31_000),
      tos: fc.constantFrom(0, 0, 1, 2, 3),
    });
    fc.assert(
      fc.property(header, ({ way, source, destination, size, next, first, from, ago, tos }) => {
        rig.begin(role, ago);
        const packet = withByte(data(source, destination, size), 6, next);
        if (size > 40) packet[40] = first;
        rig.both(way, packet, from, tos);
      }),
      { numRuns: IS_ALL ? 2_000 : 600 },
    );
  });
});

test('client: an echo reply that may answer its connectivity test is left to it', () => {
  rig.begin('client');
  expect(rig.both('in', echoReplyOf(16))).toBe(false);
  expect(rig.both('in', echoReplyOf(24))).toBe(true);
});

test('client: a router advertisement is left to it, from any sender', () => {
  rig.begin('client');
  expect(rig.both('in', icmpv6Of(ICMPV6.RA, 16))).toBe(false);
});

test('relay: it trusts no router advertisement, and carries a packet that is one', () => {
  rig.begin('relay');
  expect(rig.both('in', icmpv6Of(ICMPV6.RA, 16, NATIVE))).toBe(true);
});

test('relay: it has no connectivity test, and such a reply is carried', () => {
  rig.begin('relay');
  expect(rig.both('in', echoReplyOf(16, NATIVE))).toBe(true);
});

function echoReplyOf(payload: number, to = OWN): Uint8Array {
  return icmpv6Of(ICMPV6.ECHO_REPLY, payload, to);
}

function icmpv6Of(type: number, payload: number, to = OWN): Uint8Array {
  const packet = data(PEER, to, 40 + payload);
  packet[6] = NEXT_HEADER.ICMPV6;
  packet[40] = type;
  return packet;
}

function tcpSegment(source: Uint8Array, destination: Uint8Array, size: number): Uint8Array {
  const packet = transport(source, destination, NEXT_HEADER.TCP, 20 + size);
  packet[IPV6_HEADER + 12] = 0x50;
  return sealed(packet, NEXT_HEADER.TCP, 16);
}

function udpDatagram(source: Uint8Array, destination: Uint8Array, size: number): Uint8Array {
  const packet = transport(source, destination, NEXT_HEADER.UDP, 8 + size);
  writeUint16(packet, IPV6_HEADER + 4, 8 + size);
  return sealed(packet, NEXT_HEADER.UDP, 6);
}

function echoRequest(source: Uint8Array, destination: Uint8Array, size: number): Uint8Array {
  const packet = transport(source, destination, NEXT_HEADER.ICMPV6, 8 + size);
  packet[IPV6_HEADER] = 128;
  return sealed(packet, NEXT_HEADER.ICMPV6, 2);
}

/** A packet whose traffic class, flow label and payload are all different. */
function transport(source: Uint8Array, destination: Uint8Array, next: number, length: number): Uint8Array {
  const packet = withByte(data(source, destination, IPV6_HEADER + length), 6, next);
  for (let i = IPV6_HEADER; i < packet.length; i++) packet[i] = (i * 7 + length) & 0xff;
  packet.set([0x6b, 0xcd, 0xef, length & 0xff], 0);
  return packet;
}

function sealed(packet: Uint8Array, next: number, at: number): Uint8Array {
  writeUint16(packet, IPV6_HEADER + at, 0);
  const sum = transportChecksum(packet, 0, next, IPV6_HEADER, packet.length);
  writeUint16(packet, IPV6_HEADER + at, sum || 0xffff);
  return packet;
}

/** The sum of a datagram with its pseudo-header and checksum: 0xffff if the checksum is right. */
function udpSum(outer: Uint8Array, payload: Uint8Array): number {
  const whole = new Uint8Array(12 + 8 + payload.length + (payload.length % 2));
  whole.set(outer.subarray(12, 20), 0);
  writeUint16(whole, 8, 17);
  writeUint16(whole, 10, 8 + payload.length);
  whole.set(outer.subarray(20, 28), 12);
  whole.set(payload, 20);
  return ~internetChecksum(whole, 0, whole.length) & 0xffff;
}

function withByte(packet: Uint8Array, at: number, value: number): Uint8Array {
  const copy = packet.slice();
  copy[at] = value;
  return copy;
}

interface Outer {
  readonly from?: { readonly address: number; readonly port: number };
  readonly to?: number;
  readonly toPort?: number;
  readonly tos?: number;
  readonly fragment?: number;
  readonly options?: boolean;
}

/** The programs with Ethernet on both sides, and the model beside them. */
class Rig {
  private readonly program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  private readonly peers = new PeerMap(this.program.map('peers'));
  private readonly served = new ServedMap(this.program.map('served'), 16);
  private carrier = new Carrier('client');

  constructor() {
    new OwnPorts(this.program.map('ports')).add(LOCAL_PORT);
    this.served.set([parsePrefix('2000::/3')!]);
    writeRecord(this.program.map('uplinks'), 0, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, 1, true);
      view.setUint32(UPLINK.source, LOCAL);
      view.setUint32(UPLINK.mtu, 1_500, true);
      view.setUint32(UPLINK.finishes, 1, true);
    });
  }

  /** PEER is offered, last heard this long ago; nothing else is known. */
  begin(role: 'client' | 'relay', agoMs = 0, way: Way = WAY.bare, stretch = 1): void {
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
      bytes.set(OWN, CONFIG.own);
      view.setUint32(CONFIG.tunnel, 1, true);
      view.setUint32(CONFIG.tunnelHeader, ETHERNET, true);
      view.setUint32(CONFIG.stretch, stretch, true);
      view.setUint32(CONFIG.renewal, 1 << 30, true);
      view.setUint8(CONFIG.role, ROLE[role]);
      view.setUint8(CONFIG.ttl, 64);
    });
    const heardAt = now() - agoMs;
    this.peers.take(PEER, 0, emptyCarried());
    expect(this.peers.put(PEER, 0, ROUTE, heardAt * 1e6, now() * 1e6)).toBe(0);
    this.peers.setWay(PEER, way, 0, 0);
    this.carrier = new Carrier(role);
    this.carrier.setOwn(OWN);
    this.carrier.setServed([parsePrefix('2000::/3')!]);
    this.carrier.offload(PEER, 0, PLACE, heardAt, now());
  }

  /** Whether both carry it; fails if they disagree. */
  both(way: 'in' | 'out', packet: Uint8Array, from = PLACE, tos = 0): boolean {
    if (way === 'out') {
      const expected = this.carrier.carryOut(packet, 0, packet.length, now());
      const got = this.out(packet);
      expect(got?.to).toEqual(expected && { address: expected.address, port: expected.port });
      if (got !== undefined) expect(got.inner).toEqual(packet);
      return got !== undefined;
    }
    const copy = packet.slice();
    const expected = this.carrier.carryIn(copy, 0, copy.length, { ...from, tos }, now());
    const { verdict, frame } = this.run('decap', this.wrap(packet, { from, tos }));
    expect(verdict).toBe(
      { carried: VERDICT.carried, dropped: VERDICT.dropped, left: VERDICT.goOn }[expected],
    );
    if (expected === 'carried') expect(frame.slice(ETHERNET)).toEqual(copy);
    else expect(frame).toEqual(this.wrap(packet, { from, tos }));
    return expected === 'carried';
  }

  /** The datagram that encap makes of a packet; undefined if it leaves the packet. */
  out(packet: Uint8Array) {
    const frame = ethernet(0x86dd, packet);
    const result = this.run('encap', frame);
    if (result.verdict === VERDICT.goOn) {
      expect(result.frame).toEqual(frame);
      return undefined;
    }
    expect(result.verdict).toBe(VERDICT.carried);
    const outer = result.frame.slice(ETHERNET, ETHERNET + WRAPPING);
    const view = new DataView(outer.buffer);
    const inner = result.frame.slice(ETHERNET + WRAPPING);
    expect(view.getUint16(2)).toBe(inner.length + WRAPPING);
    expect(view.getUint16(24)).toBe(inner.length + 8);
    expect([view.getUint32(12), view.getUint16(20)]).toEqual([LOCAL, LOCAL_PORT]);
    return { outer, inner, to: { address: view.getUint32(16), port: view.getUint16(22) } };
  }

  run(name: 'encap' | 'decap', frame: Uint8Array) {
    return testRun(this.program.program(name), frame);
  }

  /** The datagram of a packet, as it arrives at the uplink. */
  wrap(
    packet: Uint8Array,
    { from = PLACE, to = LOCAL, toPort = LOCAL_PORT, ...outer }: Outer = {},
  ): Uint8Array {
    const options = outer.options === true ? 4 : 0;
    const b = new Uint8Array(WRAPPING + options + packet.length);
    b[0] = 0x45 + options / 4;
    b[1] = outer.tos ?? 0;
    writeUint16(b, 2, b.length);
    writeUint16(b, 6, outer.fragment ?? 0);
    b.set([64, 17], 8);
    writeUint32(b, 12, from.address);
    writeUint32(b, 16, to);
    writeUint16(b, 10, internetChecksum(b, 0, 20 + options));
    const udp = 20 + options;
    writeUint16(b, udp, from.port);
    writeUint16(b, udp + 2, toPort);
    writeUint16(b, udp + 4, 8 + packet.length);
    b.set(packet, udp + 8);
    return ethernet(0x0800, b);
  }

  close(): void {
    this.program.close();
  }
}

function ethernet(type: number, packet: Uint8Array): Uint8Array {
  return Uint8Array.of(...new Uint8Array(12), type >> 8, type & 0xff, ...packet);
}

/** CLOCK_MONOTONIC, ms. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
