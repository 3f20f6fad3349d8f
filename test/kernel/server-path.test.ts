import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { stopwatch } from '../support/stopwatch.ts';
import { SERVER_LIMITS } from '../../src/core/server/limits.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import {
  ICMPV6_CHECKSUM,
  buildBubble,
  buildRouterSolicitation,
  foldSum,
  internetChecksum,
  makeLinkLocal,
  writeUint16,
} from '../../src/wire/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import {
  MAPPED,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  SECONDARY,
  at,
  teredo,
  v6,
  v4,
} from '../support/client-rig.ts';
import { join } from '../support/machine-rig.ts';
import { ETHERNET, ServerProgramRig, pseudoSum } from '../support/server-program-rig.ts';
import type { Outer } from '../support/server-program-rig.ts';
import { ServerRig, solicitation } from '../support/server-rig.ts';
import { bytesOf, vectors, payloadOf } from '../support/vectors.ts';

/**
 * The server's program and its machine get the same datagrams. For those that the program decides, the machine sends the same bytes. The
 * program leaves the others to the machine, and may leave only datagrams that are not in the plainest form.
 */

const A = teredo(PRIMARY, MAPPED);
const B = teredo(PRIMARY, PEER_MAPPED);
const ELSEWHERE = teredo(PEER_SERVER, PEER_MAPPED);
const RELAY = at('192.0.2.200:3545');
const AUTHENTICATION = bytesOf('00010000a1b2c3d4e5f6071800');

const PRIVATE = [
  '10.0.0.1',
  '10.255.255.255',
  '172.16.0.0',
  '172.31.255.255',
  '192.168.0.0',
  '192.168.255.255',
];
/** First and last addresses of the blocks of C-9, and this host's own. */
const NOT_GLOBAL = [
  ...['0.0.0.1', '0.255.255.255', '127.0.0.1', '127.255.255.255', '169.254.0.0', '169.254.255.255'],
  ...['192.88.99.0', '192.88.99.255', '224.0.0.0', '239.255.255.255', '255.255.255.255'],
  ...['203.0.113.120', '203.0.113.121', '203.0.113.122', '203.0.113.255'],
  ...PRIVATE,
];
const GLOBAL = [
  ...[
    '1.0.0.0',
    '9.255.255.255',
    '11.0.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
  ],
  ...['172.15.255.255', '172.32.0.0', '192.88.98.255', '192.88.100.0', '192.167.255.255', '192.169.0.0'],
  ...['223.255.255.255', '240.0.0.0', '255.255.255.254'],
];

let rig: ServerProgramRig;
beforeAll(() => {
  enterNewNetwork();
  rig = new ServerProgramRig();
});
afterAll(() => rig.close());

describe('datagrams that the program itself decides', () => {
  test.each([
    ['a solicitation', solicitation()],
    ['with a nonce', join(AUTHENTICATION, solicitation())],
    ['with the cone flag', solicitation(0x8000)],
    ['with both', join(AUTHENTICATION, solicitation(0x8000))],
    ['with a confirmation that makes no sense', join(bytesOf('00010000a1b2c3d4e5f60718ff'), solicitation())],
  ])('%s: an advertisement', (_what, payload) => {
    for (const to of [PRIMARY, SECONDARY]) expect(rig.both(payload, { to })).toBe('decided');
  });

  test.each([
    ['between two clients of this server', buildBubble(A, B, 21), MAPPED],
    ['to a client of another server', buildBubble(A, ELSEWHERE, 21), MAPPED],
    ['with trailers', join(buildBubble(A, B, 21), bytesOf('0104deadbeef')), MAPPED],
    ['with the most trailers', join(buildBubble(A, B, 21), new Uint8Array(64).fill(0x80)), MAPPED],
    ['with hop limit 0', buildBubble(A, B, 0), MAPPED],
    ["a relay's", buildBubble(v6('fe80::1:2:3:4'), A, 21), RELAY],
    ['from a native host', buildBubble(v6('2001:db8::1'), A, 21), RELAY],
  ])('bubbles %s: forwarded', (_what, payload, from) => {
    for (const to of [PRIMARY, SECONDARY]) expect(rig.both(payload, { from, to })).toBe('decided');
  });

  test.each([0x3cff, 0x7fff])('flags %x without the cone bit: answered from the address asked', (flags) => {
    for (const to of [PRIMARY, SECONDARY]) expect(rig.both(solicitation(flags), { to })).toBe('decided');
  });

  test.each([1, 2, 3, 0xb8, 0xff])('TOS and ECN %x: the answer has neither', (tos) => {
    expect(rig.both(solicitation(), { tos })).toBe('decided');
    expect(rig.both(buildBubble(A, B, 21), { tos })).toBe('decided');
  });

  test('a datagram without a checksum is accepted, and answered with one', () => {
    expect(rig.both(solicitation(), { checksum: 'none' })).toBe('decided');
    expect(rig.both(buildBubble(A, B, 21), { checksum: 'none' })).toBe('decided');
  });

  test('an answer whose checksum is computed as 0 has ffff instead', () => {
    const bytes = join(AUTHENTICATION, solicitation());
    writeUint16(bytes, 4, 0);
    const checksumOf = () => {
      const { frame } = rig.run(rig.wrap(bytes));
      return (frame[ETHERNET + 26]! << 8) + frame[ETHERNET + 27]!;
    };
    // The nonce comes back: with the original checksum the sum is 0, which would mean that there is none.
    writeUint16(bytes, 4, checksumOf());
    expect(checksumOf()).toBe(0xffff);
    expect(rig.both(bytes)).toBe('decided');
  });

  test('a right checksum that equals the sum of the pseudo-header, too', () => {
    const bytes = join(AUTHENTICATION, solicitation());
    const found = Array.from({ length: 0x1_0000 }, (_, nonce) => {
      writeUint16(bytes, 4, nonce);
      return bytes.slice();
    }).find((payload) => hasSumOfPseudoHeader(rig.wrap(payload)))!;
    expect(rig.both(found)).toBe('decided');
  });
});

describe('behind a 1:1 NAT', () => {
  const announced = { primary: v4('198.51.100.140'), secondary: v4('198.51.100.141') };
  const outside = { address: announced.primary, port: 3_544 };
  const [OURS, OTHER] = [teredo(outside, MAPPED), teredo(outside, at('192.0.2.10:8192'))];
  let natted: ServerProgramRig;
  beforeAll(() => (natted = new ServerProgramRig({ announced })));
  afterAll(() => natted.close());

  test('program and machine advertise and serve the announced address, and send from that of the host', () => {
    for (const to of [PRIMARY, SECONDARY]) {
      expect(natted.both(solicitation(), { to })).toBe('decided');
      expect(natted.both(solicitation(0x8000), { to })).toBe('decided');
      expect(natted.both(buildBubble(OURS, OTHER, 21), { to })).toBe('decided');
    }
  });

  test('clients of the address that only this host knows count as clients of another server', () => {
    expect(natted.both(buildBubble(OURS, B, 21))).toBe('decided'); // without origin indication
    expect(natted.both(buildBubble(v6('fe80::1:2:3:4'), B, 21), { from: RELAY })).toBe('left');
    expect(natted.both(buildBubble(v6('fe80::1:2:3:4'), OTHER, 21), { from: RELAY })).toBe('decided');
  });

  test.each([announced.primary, announced.secondary, PRIMARY.address, SECONDARY.address])(
    'nothing is forwarded to the server itself, by any of its addresses: S-29',
    (address) => {
      const client = teredo(outside, { address, port: 3_544 });
      expect(natted.both(buildBubble(OURS, client, 21))).toBe('left');
      natted.machine.clear();
      natted.machine.receive(MAPPED, buildBubble(OURS, client, 21));
      expect(natted.machine.sent).toEqual([]);
      natted.machine.receive({ address, port: 3_544 }, solicitation());
      expect(natted.machine.sent).toEqual([]);
      expect(natted.both(solicitation(), { from: { address, port: 4_000 } })).toBe('left');
    },
  );
});

describe('datagrams that it leaves to the machine', () => {
  test.each<[string, Uint8Array, Outer]>([
    ['a wrong UDP checksum', solicitation(), { checksum: 'wrong' }],
    ['a checksum that is the sum of the pseudo-header', solicitation(), { checksum: 'unfinished' }],
    ['a bubble with such a checksum', buildBubble(A, B, 21), { checksum: 'unfinished' }],
    ['a wrong IPv4 header checksum', solicitation(), { header: 'wrong' }],
    ['UDP port 0 as source', solicitation(), { from: { ...MAPPED, port: 0 } }],
    [
      'the same with a bubble',
      buildBubble(teredo(PRIMARY, { ...MAPPED, port: 0 }), B, 21),
      { from: { ...MAPPED, port: 0 } },
    ],
    ['a fragment', solicitation(), { fragment: 0x2000 }],
    ['IPv4 options', solicitation(), { options: true }],
    ['another port', solicitation(), { toPort: 3_545 }],
    ['another address of this host', solicitation(), { to: at('203.0.113.122:3544') }],
    ['a source that is private', solicitation(), { from: at('10.0.0.1:1') }],
    ['a source that is a group', solicitation(), { from: at('224.0.0.1:1') }],
    ['a broadcast address as source', solicitation(), { from: at('203.0.113.255:1') }],
    ['an identifier', join(bytesOf('00010100ffa1b2c3d4e5f6071800'), solicitation()), {}],
    ['an origin indication in front', join(bytesOf('0000ceaef7f7f7f7'), buildBubble(A, B, 21)), {}],
    ['trailers behind a solicitation', join(solicitation(), bytesOf('0104deadbeef')), {}],
    ['too many trailers', join(buildBubble(A, B, 21), new Uint8Array(65)), {}],
    ['a foreign Teredo source', buildBubble(A, B, 21), { from: RELAY }],
    ['a native host and another server', buildBubble(v6('2001:db8::1'), ELSEWHERE, 21), { from: RELAY }],
    ['unique local', buildBubble(v6('fd00::1'), A, 21), { from: RELAY }],
    ['site-local', buildBubble(v6('fec0::1'), A, 21), { from: RELAY }],
    ['a loop', buildBubble(A, teredo(PRIMARY, PRIMARY), 21), {}],
    ['a client at a broadcast address', buildBubble(A, teredo(PRIMARY, at('203.0.113.255:1')), 21), {}],
    ['a native destination', buildBubble(A, v6('2001:db8::1'), 21), {}],
    ['a solicitation from a global address', solicitationWith({ source: v6('2001:db8::1') }), {}],
    ['from a Teredo address', solicitationWith({ source: A }), {}],
    ['from a site-local address', solicitationWith({ source: v6('fec0::1') }), {}],
    ['to all nodes', solicitationWith({ destination: v6('ff02::1') }), {}],
    [
      'to a group that begins and ends like all routers',
      solicitationWith({ destination: v6('ff02::1:0:2') }),
      {},
    ],
    ['to the routers of another scope', solicitationWith({ destination: v6('ff05::2') }), {}],
    ['of another type', solicitationWith({ type: 134 }), {}],
    ['of another code', solicitationWith({ code: 1 }), {}],
    ['of another hop limit', solicitationWith({ hopLimit: 254 }), {}],
    ['with another next header', solicitationWith({ nextHeader: 59 }), {}],
    ['of another IP version', solicitationWith({ version: 4 }), {}],
  ])('%s', (_what, payload, outer) => {
    expect(rig.both(payload, outer)).toBe('left');
  });

  test.each(NOT_GLOBAL)('%s as a source of either, and as the target of a bubble: C-9', (text) => {
    const from = at(`${text}:4000`);
    expect(rig.both(solicitation(), { from })).toBe('left');
    expect(rig.both(buildBubble(teredo(PRIMARY, from), B, 21), { from })).toBe('left');
    expect(rig.both(buildBubble(A, teredo(PRIMARY, from), 21))).toBe('left');
    expect(rig.both(buildBubble(A, teredo(PEER_SERVER, from), 21))).toBe('left');
  });

  test.each(GLOBAL)('%s, just outside such a block, is global', (text) => {
    const from = at(`${text}:4000`);
    expect(rig.both(solicitation(), { from })).toBe('decided');
    expect(rig.both(buildBubble(A, teredo(PRIMARY, from), 21))).toBe('decided');
  });

  test('in a closed cloud private addresses are global, all others as before', () => {
    const closed = new ServerProgramRig({ allowPrivate: true });
    for (const text of NOT_GLOBAL) {
      const from = at(`${text}:4000`);
      const expected = PRIVATE.includes(text) ? 'decided' : 'left';
      expect([text, closed.both(solicitation(), { from })]).toEqual([text, expected]);
      expect([text, closed.both(buildBubble(A, teredo(PRIMARY, from), 21))]).toEqual([text, expected]);
    }
    closed.close();
  });

  test('sources and targets in a range of the host, at both of its ends, and none outside', () => {
    const ranges = [
      { address: at('198.51.100.77:0').address, prefixLength: 26 },
      { address: at('192.0.2.1:0').address, prefixLength: 32 },
    ];
    rig.configure({ ranges });
    const runs = (text: string) => rig.both(solicitation(), { from: at(`${text}:4000`) });
    for (const text of ['198.51.100.64', '198.51.100.127', '192.0.2.1']) expect(runs(text)).toBe('left');
    for (const text of ['198.51.100.63', '198.51.100.128', '192.0.2.2']) expect(runs(text)).toBe('decided');
    expect(rig.both(buildBubble(A, teredo(PRIMARY, at('198.51.100.99:7')), 21))).toBe('left');
    rig.configure({ ranges: [{ address: 0, prefixLength: 0 }] });
    expect(rig.both(solicitation())).toBe('left');
    rig.configure();
  });

  test('solicitations if keys are required, bubbles if there are several routes out, cone flags if there is one address', () => {
    rig.configure({ answers: false });
    expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.goOn);
    rig.configure({ uplink: 0 });
    expect(rig.run(rig.wrap(buildBubble(A, B, 21), { from: MAPPED })).verdict).toBe(VERDICT.goOn);
    // If the route out depends on the source address, an answer from the other address may not leave by the interface at which the question
    // arrived.
    rig.configure({ uplink: 0, anySource: false });
    expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.carried);
    expect(rig.run(rig.wrap(solicitation(0x8000))).verdict).toBe(VERDICT.goOn);
    rig.configure({ secondary: 0 });
    expect(rig.run(rig.wrap(solicitation(0x8000))).verdict).toBe(VERDICT.goOn);
    rig.configure();
  });
});

describe('datagrams that it leaves to the sockets though it could decide them', () => {
  const left = () => rig.program.readCounters().leftToSockets;
  const [asked, bubble, odd] = [solicitation(), buildBubble(A, B, 21), buildBubble(A, v6('2001:db8::1'), 21)];
  const decides = (payload: Uint8Array) => rig.both(payload) === 'decided';

  test('one after each such time of deciding, counted; not one that it leaves anyway', async () => {
    rig.configure({ sampleMs: 300 });
    const before = left();
    expect([asked, bubble, asked].map(decides)).toEqual([true, true, true]);
    await longerThan(300);
    for (const payload of [asked, bubble]) {
      expect([odd, payload].map(decides)).toEqual([false, false]);
      expect([asked, bubble, asked].map(decides)).toEqual([true, true, true]);
      await longerThan(300);
    }
    expect(left()).toBe(before + 2);
    rig.configure();
  });

  test('every one while it only watches, counted; nothing is counted while it is off', () => {
    rig.configure({ mode: 'watch' });
    const before = left();
    expect([asked, bubble, odd].map(decides)).toEqual([false, false, false]);
    expect(left()).toBe(before + 2);
    rig.configure({ mode: 'off' });
    expect([asked, bubble, odd].map(decides)).toEqual([false, false, false]);
    expect(left()).toBe(before + 2);
    rig.configure();
  });
});

test('truncated at every length, and with every bit flipped: the machine decides like the program', () => {
  const examples = [solicitation(), join(AUTHENTICATION, solicitation(0x8000)), buildBubble(A, B, 21)];
  for (const payload of examples) {
    for (let length = 1; length < payload.length; length++) rig.both(payload.slice(0, length));
    for (let bit = 0; bit < payload.length * 8; bit++) {
      const flipped = payload.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      rig.both(flipped);
    }
  }
});

test('all examples of the vectors', () => {
  for (const { name, outer } of vectors.datagrams) {
    const from = at(`${outer.src}:${outer.sport}`);
    for (const to of [PRIMARY, SECONDARY]) rig.both(payloadOf(name), { from, to });
  }
});

test('random datagrams', () => {
  const address = fc.constantFrom(
    A,
    B,
    ELSEWHERE,
    v6('2001:db8::1'),
    v6('fe80::1'),
    v6('::1'),
    v6('ff02::2'),
  );
  const kind = fc.record({
    source: address,
    destination: address,
    trailers: fc.uint8Array({ maxLength: 70 }),
    header: fc.constantFrom(new Uint8Array(0), AUTHENTICATION, bytesOf('0000ceaef7f7f7f7')),
    from: fc.constantFrom(MAPPED, PEER_MAPPED, RELAY),
    to: fc.constantFrom(PRIMARY, SECONDARY),
  });
  fc.assert(
    fc.property(kind, ({ source, destination, trailers, header, from, to }) => {
      rig.both(join(header, buildBubble(source, destination, 21), trailers), { from, to });
    }),
    { numRuns: 2_000 },
  );
});

test('the program of a killed process decides nothing', () => {
  rig.liveUntil(process.hrtime.bigint() - 100_000_000n);
  expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.goOn);
  rig.liveUntil(1n << 62n);
  expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.carried);
});

test('limits: an address gets its answers, then addresses that hardly asked get theirs, and time brings more', async () => {
  const few = { perSecond: 0, burst: 5 };
  rig.setBudgets({
    answers: { shared: few, member: { perSecond: 0, burst: 1 }, reserve: { perSecond: 0, burst: 2 } },
  });
  const ask = (port: number) =>
    rig.run(rig.wrap(solicitation(), { from: { address: MAPPED.address, port } })).verdict;
  const asked = (port: number, times: number) => Array.from({ length: times }, () => ask(port));
  const [yes, no] = [VERDICT.carried, VERDICT.dropped];
  expect(asked(1_000, 7)).toEqual([yes, yes, yes, yes, yes, yes, no]);
  expect(asked(1_001, 2)).toEqual([yes, no]);
  expect(asked(1_002, 1)).toEqual([no]);
  // Another address has all of its own answers.
  expect(rig.run(rig.wrap(solicitation(), { from: RELAY })).verdict).toBe(yes);
  rig.setBudgets();
});

test('limits: each address that reaches one is named with its number, whichever reached it before', () => {
  const none = { perSecond: 0, burst: 0 };
  rig.setBudgets({ answers: { shared: none, member: none, reserve: none } });
  rig.program.takeReachedLimits();
  // More addresses than slots. Others take over a slot after at most 64 hits on each processor.
  for (let i = 1; i <= 100; i++) {
    const from = at(`198.51.100.${i}:1`);
    const hits = i === 1 ? 2_000 : 300;
    for (let hit = 0; hit < hits; hit++) rig.run(rig.wrap(solicitation(), { from }));
    const [reached, ...others] = rig.program.takeReachedLimits();
    expect(others).toEqual([]);
    expect(reached).toMatchObject({ limit: 'answers', times: hits, addresses: [{ address: from.address }] });
    expect(reached!.addresses[0]!.times).toBeGreaterThanOrEqual(hits - 64 * availableParallelism());
  }
  rig.setBudgets();
});

test('limits: a client that asks all the time gets its tokens when they are due', () => {
  const none = { perSecond: 0, burst: 0 };
  rig.setBudgets({ answers: { shared: { perSecond: 1, burst: 1 }, member: none, reserve: none } });
  rig.compares = false;
  const ask = () => rig.run(rig.wrap(solicitation(), { from: at('192.0.2.78:1') })).verdict;
  const [watch, begun] = [stopwatch(), performance.now()];
  expect(ask()).toBe(VERDICT.carried);
  let refused = 0;
  for (; performance.now() < begun + 5_000 && ask() === VERDICT.dropped; refused++);
  expect(refused).toBeGreaterThan(1_024); // more often than a token has parts
  expect(performance.now() - begun).toBeGreaterThan(999);
  expect(watch()).toBeLessThan(1_500);
  rig.compares = true;
  rig.setBudgets();
});

test('limits: a pair has a limit of its own', () => {
  const none = { perSecond: 0, burst: 0 };
  rig.setBudgets({ forwardedByPair: { shared: { perSecond: 0, burst: 3 }, member: none, reserve: none } });
  const send = (from: Endpoint) =>
    rig.run(rig.wrap(buildBubble(teredo(PRIMARY, from), B, 21), { from })).verdict;
  const before = rig.program.readCounters();
  expect(Array.from({ length: 4 }, () => send(MAPPED))).toEqual([7, 7, 7, VERDICT.dropped]);
  expect(send(at('192.0.2.77:1'))).toBe(VERDICT.carried);
  const after = rig.program.readCounters();
  expect(after.droppedForwardLimit - before.droppedForwardLimit).toBe(1);
  expect(after.forwardedToClients - before.forwardedToClients).toBe(4);
  rig.setBudgets();
});

test('limits: beyond the shared part of a pair each IPv6 source has a part, at each port, as with the machine', () => {
  const few = (burst: number) => ({ perSecond: 0, burst });
  const forwardedByPair = { shared: few(3), member: few(2), reserve: few(6) };
  rig.setBudgets({ forwardedByPair });
  const machine = new ServerRig({ limits: { ...SERVER_LIMITS, forwardedByPair } });
  const from = at('192.0.2.78:3545');
  const passes = (source: string, port = 9_000): boolean => {
    const bubble = buildBubble(v6(source), teredo(PRIMARY, { ...PEER_MAPPED, port }), 21);
    const isCarried = rig.run(rig.wrap(bubble, { from })).verdict === VERDICT.carried;
    expect(machine.clear().receive(from, bubble).sent.length).toBe(isCarried ? 1 : 0);
    return isCarried;
  };
  for (let i = 0; i < 7; i++) expect(passes('fe80::1')).toBe(i < 5);
  // One word of the source is enough to be another, or another port.
  for (const other of ['fe80::2', 'fe80::1:0:0:1', 'fe81::1']) expect(passes(other)).toBe(true);
  expect(passes('fe80::1', 9_001)).toBe(true);
  expect(passes('fe80::3')).toBe(false); // the reserve is empty
  rig.setBudgets();
});

async function longerThan(milliseconds: number): Promise<void> {
  const begun = performance.now();
  await eventually(() => expect(performance.now() - begun > milliseconds).toBe(true));
}

/** A solicitation with one field changed, and a right checksum. */
function solicitationWith(change: {
  readonly source?: Uint8Array;
  readonly destination?: Uint8Array;
  readonly type?: number;
  readonly code?: number;
  readonly hopLimit?: number;
  readonly nextHeader?: number;
  readonly version?: number;
}): Uint8Array {
  const packet = buildRouterSolicitation(makeLinkLocal({ flags: 0, mappedPort: 4_000, mappedAddress: 1 }));
  if (change.version !== undefined) packet[0] = change.version << 4;
  if (change.nextHeader !== undefined) packet[6] = change.nextHeader;
  if (change.hopLimit !== undefined) packet[7] = change.hopLimit;
  if (change.source !== undefined) packet.set(change.source, 8);
  if (change.destination !== undefined) packet.set(change.destination, 24);
  if (change.type !== undefined) packet[40] = change.type;
  if (change.code !== undefined) packet[41] = change.code;
  writeUint16(packet, ICMPV6_CHECKSUM, 0);
  // The pseudo-header: addresses, length and next header. RFC 8200 section 8.1
  writeUint16(packet, ICMPV6_CHECKSUM, internetChecksum(packet, 8, packet.length, 8 + 58));
  return packet;
}

function hasSumOfPseudoHeader(frame: Uint8Array): boolean {
  const b = frame.subarray(ETHERNET);
  return foldSum(pseudoSum(b, 20)) === (b[26]! << 8) + b[27]!;
}

test('limits that change in use: program and machine give the same verdicts, and used tokens stay used', () => {
  const none = { perSecond: 0, burst: 0 };
  const machine = new ServerRig({});
  const askedAt = (burst: number, address: string): [number, number] => {
    const answers = { shared: { perSecond: 0, burst }, member: none, reserve: none };
    rig.setBudgets({ answers });
    machine.machine.setLimits({ ...SERVER_LIMITS, answers });
    const from = at(`${address}:1`);
    let carried = 0;
    machine.clear();
    for (let i = 0; i < 30; i++) {
      if (rig.run(rig.wrap(solicitation(), { from })).verdict === VERDICT.carried) carried++;
      machine.receive(from, solicitation());
    }
    return [carried, machine.sent.length];
  };
  expect(askedAt(5, '192.0.2.81')).toEqual([5, 5]);
  expect(askedAt(20, '192.0.2.81')).toEqual([0, 0]);
  expect(askedAt(20, '192.0.2.82')).toEqual([20, 20]);
  expect(askedAt(3, '192.0.2.83')).toEqual([3, 3]);
  rig.setBudgets();
});
