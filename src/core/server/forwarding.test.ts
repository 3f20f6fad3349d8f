import { describe, expect, test } from 'vitest';
import {
  MAPPED,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  at,
  teredo,
  v6,
} from '../../../test/support/client-rig.ts';
import { AddressPolicy } from '../address-policy.ts';
import { join, packetOf } from '../../../test/support/machine-rig.ts';
import { FIRST, SECOND, ServerRig } from '../../../test/support/server-rig.ts';
import { bytesOf, payloadOf } from '../../../test/support/vectors.ts';
import {
  buildBubble,
  buildEchoReply,
  buildEchoRequest,
  buildUnreachable,
  hopLimit,
  isBubble,
  toHex,
  writeNonce,
} from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { sealIcmpv6 } from '../../wire/icmpv6.ts';

/** Client A of this server, client B of it, and a client of another server. */
const A = teredo(PRIMARY, MAPPED);
const B = teredo(PRIMARY, PEER_MAPPED);
const ELSEWHERE = teredo(PEER_SERVER, PEER_MAPPED);
const NATIVE = v6('2001:db8::1');
const RELAY = at('192.0.2.200:3545');

const bubble = (source: Ipv6, destination: Ipv6, hops = 21) => buildBubble(source, destination, hops);
const ping = (source: Ipv6, destination: Ipv6, length = 8, hops = 64, build = buildEchoRequest) =>
  build({ source, destination, hopLimit: hops, identifier: 1, sequence: 1, data: new Uint8Array(length) });

const silent = (rig: ServerRig) => expect([rig.sent, rig.delivered]).toEqual([[], []]);

describe('forwarding to clients', () => {
  test('EX8 becomes EX9 at the server of B: S-24, S-25, S-26, S-27', () => {
    const rig = new ServerRig({ primary: PEER_SERVER.address }).example('EX8');
    expect(rig.kinds).toEqual(['bubble 192.0.2.10:8192']);
    expect(rig.sent[0].socket).toBe(FIRST);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX9')));
  });

  test("EX17: a relay's bubble goes to the client with the relay's address and port as origin: S-16, S-25", () => {
    const rig = new ServerRig().receive(RELAY, payloadOf('EX17').subarray(8));
    expect(rig.kinds).toEqual(['bubble 192.0.2.1:4096']);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(payloadOf('EX17')));
  });

  test('S-24: a packet to the secondary address is forwarded from the primary', () => {
    const rig = new ServerRig().receive(MAPPED, bubble(A, B), SECOND);
    expect(rig.sent[0].socket).toBe(FIRST);
  });

  test('S-25: to a client of another server without origin', () => {
    const rig = new ServerRig().receive(MAPPED, bubble(A, ELSEWHERE));
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(bubble(A, ELSEWHERE)));
  });

  test.each([
    ['an origin', '0000ceaef7f7f7f7'],
    ['authentication', '00010000a1b2c3d4e5f6071800'],
    ['both', '00010000a1b2c3d4e5f60718000000ceaef7f7f7f7'],
  ])('S-26, R-35: %s of the sender is not forwarded', (_what, header) => {
    const rig = new ServerRig()
      .receive(MAPPED, join(bytesOf(header), bubble(A, B)))
      .receive(MAPPED, join(bytesOf(header), bubble(A, ELSEWHERE)));
    expect(toHex(rig.sent[0].bytes)).toBe(`0000efff3ffffdfe${toHex(bubble(A, B))}`);
    expect(toHex(rig.sent[1].bytes)).toBe(toHex(bubble(A, ELSEWHERE)));
  });

  test('S-27: all trailers pass, within 64 octets', () => {
    const nonce = new Uint8Array(6);
    writeNonce(nonce, 0, bytesOf('deadbeef'));
    for (const trailers of [nonce, bytesOf('4000'), bytesOf('05'), new Uint8Array(64).fill(0x80)]) {
      const rig = new ServerRig().receive(MAPPED, join(bubble(A, B), trailers));
      expect(toHex(rig.sent[0].bytes, 48)).toBe(toHex(trailers));
    }
    const rig = new ServerRig().receive(MAPPED, join(bubble(A, B), new Uint8Array(65)));
    silent(rig);
    expect(rig.machine.counters.droppedTooLong).toBe(1);
  });

  test('a bubble followed by 60 KB is dropped', () => {
    const rig = new ServerRig().receive(RELAY, join(bubble(v6('fe80::1'), B), new Uint8Array(60_000)));
    silent(rig);
  });

  test.each([0, 1, 255])('S-28, A-6, C-30: a bubble with hop limit %d passes unchanged', (hops) => {
    const rig = new ServerRig().receive(MAPPED, bubble(A, B, hops));
    expect(toHex(rig.sent[0].bytes, 8)).toBe(toHex(bubble(A, B, hops)));
  });

  test('S-3, A-23: echo requests, echo replies and ICMPv6 errors pass', () => {
    const error = buildUnreachable({ source: A, destination: B, offending: packetOf(B, A), code: 3 });
    for (const packet of [ping(A, B), ping(A, B, 8, 64, buildEchoReply), error]) {
      const rig = new ServerRig().receive(MAPPED, packet);
      expect(toHex(rig.sent[0].bytes, 8)).toBe(toHex(packet));
    }
  });

  test.each([130, 131, 132, 133, 134, 135, 136, 137, 143, 5, 0])(
    'A-23: ICMPv6 of type %d does not',
    (type) => {
      const packet = ping(A, B);
      packet[40] = type;
      sealIcmpv6(packet, 0);
      const rig = new ServerRig().receive(MAPPED, packet);
      silent(rig);
      expect(rig.machine.counters.droppedNotForwardable).toBe(1);
    },
  );

  test.each([
    ['UDP', packetOf(A, B, 8, 17)],
    ['TCP', packetOf(A, B, 20, 6)],
    ['no next header, but a payload (C-19)', packetOf(A, B, 4, 59)],
    ['ICMPv6 too short for a type', packetOf(A, B, 3, 58)],
    ['a fragment', packetOf(A, B, 16, 44)],
  ])('S-3, S-11: %s does not', (_what, packet) => {
    const rig = new ServerRig().receive(MAPPED, packet);
    silent(rig);
    expect(rig.machine.counters.droppedNotForwardable).toBe(1);
  });

  test('ICMPv6 with a bad checksum, or longer than a tunnel packet, does not', () => {
    const spoiled = ping(A, B);
    spoiled[47] ^= 1;
    const rig = new ServerRig().receive(MAPPED, spoiled).receive(MAPPED, ping(A, B, 1_233));
    silent(rig);
    expect([rig.machine.counters.droppedBadChecksum, rig.machine.counters.droppedTooLong]).toEqual([1, 1]);
  });
});

describe('allowed senders', () => {
  test('S-15, S-17, V13: a Teredo source that does not match the outer source: dropped silently', () => {
    const rig = new ServerRig()
      .receive(at('192.0.2.1:4097'), bubble(A, B))
      .receive(at('192.0.2.2:4096'), bubble(A, B));
    silent(rig);
    expect(rig.machine.counters.droppedForgedSource).toBe(2);
    expect(rig.receive(MAPPED, bubble(A, B)).sent.length).toBe(1);
  });

  test('U-4, S-15: the flags of a source do not matter', () => {
    const rig = new ServerRig().receive(MAPPED, bubble(teredo(PRIMARY, MAPPED, 0x7fff), B));
    expect(rig.sent.length).toBe(1);
  });

  test('S-16, A-5: native and link-local sources reach clients of this server', () => {
    const rig = new ServerRig()
      .receive(RELAY, bubble(NATIVE, A))
      .receive(RELAY, bubble(v6('fe80::1:2:3:4'), A))
      .receive(RELAY, ping(NATIVE, A, 8, 64, buildEchoReply));
    expect(rig.kinds).toEqual(['bubble 192.0.2.1:4096', 'bubble 192.0.2.1:4096', 'data 192.0.2.1:4096']);
    for (const { view } of rig.sent)
      expect([view.originAddress, view.originPort]).toEqual([RELAY.address, RELAY.port]);
  });

  test.each(['::', '::1', 'ff02::1', 'ff0e::1', '::ffff:1.2.3.4', '::1.2.3.4'])(
    'S-16, S-17: %s cannot be the source of a packet: dropped silently',
    (source) => {
      const rig = new ServerRig().receive(RELAY, bubble(v6(source), A));
      expect([rig.sent, rig.machine.counters.droppedForgedSource]).toEqual([[], 1]);
    },
  );

  test.each(['fc00::1', 'fdff::1', 'fec0::1'])(
    'S-16: %s is valid within a site only: dropped silently',
    (source) => {
      const rig = new ServerRig().receive(RELAY, bubble(v6(source), A));
      expect([rig.sent, rig.machine.counters.droppedForgedSource]).toEqual([[], 1]);
    },
  );

  test('S-16: they are accepted with allowPrivate', () => {
    const policy = new AddressPolicy({ allowPrivate: true });
    const rig = new ServerRig({ policy }).receive(RELAY, bubble(v6('fd00::1'), A));
    expect(rig.kinds).toEqual(['bubble 192.0.2.1:4096']);
  });

  test('S-17, C-2: other clients are not reached', () => {
    const rig = new ServerRig()
      .receive(RELAY, bubble(NATIVE, ELSEWHERE))
      .receive(RELAY, bubble(v6('fe80::1'), ELSEWHERE))
      .receive(RELAY, bubble(v6('2001:1::1'), ELSEWHERE))
      .receive(RELAY, bubble(NATIVE, v6('2001:db8::2')));
    silent(rig);
    expect(rig.machine.counters.droppedForeignDestination).toBe(4);
  });

  test('S-12: a private source: dropped silently, unless allowed', () => {
    const from = at('10.0.0.1:4096');
    const rig = new ServerRig().receive(from, bubble(teredo(PRIMARY, from), B));
    silent(rig);
  });
});

describe('allowed destinations', () => {
  const targets = [
    '10.0.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '192.88.99.1',
    '224.0.0.1',
    '255.255.255.255',
    '0.0.0.1',
  ];
  test.each(targets)('S-23, C-7, V14: embedding %s: silence', (target) => {
    const rig = new ServerRig().receive(MAPPED, bubble(A, teredo(PRIMARY, at(`${target}:4096`))));
    silent(rig);
    expect(rig.machine.counters.droppedDestinationNotGlobal).toBe(1);
  });

  test('S-23: not to port 0', () => {
    silent(new ServerRig().receive(MAPPED, bubble(A, teredo(PRIMARY, at('192.0.2.10:0')))));
  });

  test.each(['203.0.113.120:3544', '203.0.113.121:3544', '203.0.113.120:5000'])(
    "S-29: a destination that embeds the server's own address %s: dropped silently",
    (target) => {
      const rig = new ServerRig().receive(MAPPED, bubble(A, teredo(PRIMARY, at(target))));
      silent(rig);
      expect(rig.machine.counters.droppedLoop).toBe(1);
    },
  );

  test("S-29: a packet from the server's own address and port: dropped silently", () => {
    for (const own of ['203.0.113.120:3544', '203.0.113.121:3544']) {
      const rig = new ServerRig().receive(at(own), bubble(teredo(PRIMARY, at(own)), B));
      silent(rig);
      expect(rig.machine.counters.droppedOwnSource).toBe(1);
    }
  });

  test.each(['fe80::1', 'ff02::1', 'ff0e::1', 'fc00::1', '::1', '::', 'ff02::2'])(
    'S-21: to %s: silence',
    (target) => {
      silent(new ServerRig().receive(MAPPED, bubble(A, v6(target))).receive(MAPPED, ping(A, v6(target))));
    },
  );
});

describe('forwarding to native hosts: S-22', () => {
  test('EX14 is delivered to the IPv6 side with its hop limit decremented', () => {
    const rig = new ServerRig().example('EX14');
    expect(rig.sent).toEqual([]);
    const expected = payloadOf('EX14');
    expected[7] = 254;
    expect(rig.delivered.map((packet) => toHex(packet))).toEqual([toHex(expected)]);
  });

  test('trailers and Teredo headers are removed', () => {
    const packet = payloadOf('EX14');
    const rig = new ServerRig().receive(
      MAPPED,
      join(bytesOf('0000efff3ffffdfe'), packet, bytesOf('0104deadbeef')),
    );
    expect(rig.delivered[0].length).toBe(packet.length);
  });

  test('not with hop limit 1, no bubble, and not from a source that is not Teredo', () => {
    const rig = new ServerRig()
      .receive(MAPPED, ping(A, NATIVE, 8, 1))
      .receive(MAPPED, ping(A, NATIVE, 8, 0))
      .receive(MAPPED, bubble(A, NATIVE))
      .receive(RELAY, ping(v6('2001:db8::2'), NATIVE));
    silent(rig);
    expect(rig.machine.counters.droppedHopLimit).toBe(2);
  });

  test('a server without an IPv6 side drops them', () => {
    silent(new ServerRig({ native: false }).example('EX14'));
  });
});

test('N-2: forwarding never changes the inner traffic class', () => {
  const packet = ping(A, NATIVE);
  packet[0] = 0x6b;
  packet[1] = 0xb0;
  sealIcmpv6(packet, 0);
  const rig = new ServerRig().receive(MAPPED, packet);
  expect([...rig.delivered[0].subarray(0, 2)]).toEqual([0x6b, 0xb0]);
  expect(hopLimit(rig.delivered[0], 0)).toBe(63);
  expect(isBubble(rig.delivered[0], 0)).toBe(false);
});
