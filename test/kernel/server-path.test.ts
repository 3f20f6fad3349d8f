import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { AccessList, MAX_ACCESS_PREFIXES } from '../../src/core/access-list.ts';
import { AddressPolicy } from '../../src/core/address-policy.ts';
import { ServerMachine } from '../../src/core/server/index.ts';
import type { ServerLimits } from '../../src/core/server/index.ts';
import { ServerProgram } from '../../src/linux/bpf/server-program.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import {
  ICMPV6_CHECKSUM,
  TEREDO_PORT,
  buildBubble,
  formatEndpoint,
  foldSum,
  formatIpv4Prefix,
  internetChecksum,
  ipv4Mask,
  writeUint16,
  writeUint32,
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
  v4,
  v6,
} from '../support/client-rig.ts';
import { access } from '../support/access.ts';
import { MachineRig, join } from '../support/machine-rig.ts';
import { solicitation } from '../support/server-rig.ts';
import { bytesOf, vectors, payloadOf } from '../support/vectors.ts';

/**
 * The server's program and its machine get the same datagrams. What the program decides the machine decides likewise, byte for
 * byte; what it leaves is the machine's, and only what is not plain may be left.
 */

const ETHERNET = 14;
const WRAPPING = 28;
const A = teredo(PRIMARY, MAPPED);
const B = teredo(PRIMARY, PEER_MAPPED);
const ELSEWHERE = teredo(PEER_SERVER, PEER_MAPPED);
const RELAY = at('192.0.2.200:3545');
const AUTHENTICATION = bytesOf('00010000a1b2c3d4e5f6071800');

let rig: Rig;
beforeAll(() => {
  enterNewNetwork();
  rig = new Rig();
});
afterAll(() => rig.close());

describe('what the program decides itself', () => {
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
    ['between two clients of ours', buildBubble(A, B, 21), MAPPED],
    ['to a client of another server', buildBubble(A, ELSEWHERE, 21), MAPPED],
    ['with trailers', join(buildBubble(A, B, 21), bytesOf('0104deadbeef')), MAPPED],
    ['with as many as may be', join(buildBubble(A, B, 21), new Uint8Array(64).fill(0x80)), MAPPED],
    ['with hop limit 0', buildBubble(A, B, 0), MAPPED],
    ["a relay's", buildBubble(v6('fe80::1:2:3:4'), A, 21), RELAY],
    ["a native host's", buildBubble(v6('2001:db8::1'), A, 21), RELAY],
  ])('bubbles %s: forwarded', (_what, payload, from) => {
    for (const to of [PRIMARY, SECONDARY]) expect(rig.both(payload, { from, to })).toBe('decided');
  });

  test('a datagram without a checksum is taken, and answered with one', () => {
    expect(rig.both(solicitation(), { checksum: 'none' })).toBe('decided');
    expect(rig.both(buildBubble(A, B, 21), { checksum: 'none' })).toBe('decided');
  });

  test('a right checksum that is the sum of the pseudo-header, too', () => {
    const bytes = join(AUTHENTICATION, solicitation());
    const found = Array.from({ length: 0x1_0000 }, (_, nonce) => {
      writeUint16(bytes, 4, nonce);
      return bytes.slice();
    }).find((payload) => hasSumOfPseudoHeader(rig.wrap(payload)))!;
    expect(rig.both(found)).toBe('decided');
  });
});

describe('what it leaves to the machine', () => {
  test.each<[string, Uint8Array, Outer]>([
    ['a wrong UDP checksum', solicitation(), { checksum: 'wrong' }],
    ['one that is the sum of the pseudo-header', solicitation(), { checksum: 'unfinished' }],
    ['a bubble with such a one', buildBubble(A, B, 21), { checksum: 'unfinished' }],
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
    ['a loop', buildBubble(A, teredo(PRIMARY, PRIMARY), 21), {}],
    ['a client at a broadcast address', buildBubble(A, teredo(PRIMARY, at('203.0.113.255:1')), 21), {}],
    ['a native destination', buildBubble(A, v6('2001:db8::1'), 21), {}],
  ])('%s', (_what, payload, outer) => {
    expect(rig.both(payload, outer)).toBe('left');
  });

  test('solicitations where keys are wanted, bubbles where there are several ways out, cone flags where there is one address', () => {
    rig.configure({ answers: false });
    expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.goOn);
    rig.configure({ uplink: 0 });
    expect(rig.run(rig.wrap(buildBubble(A, B, 21), { from: MAPPED })).verdict).toBe(VERDICT.goOn);
    rig.configure({ secondary: 0 });
    expect(rig.run(rig.wrap(solicitation(0x8000))).verdict).toBe(VERDICT.goOn);
    rig.configure();
  });
});

test('truncated at every length, every bit flipped: what is decided, the machine decides likewise', () => {
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

test('whatever comes', () => {
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

test('what a process has left that was killed decides nothing', () => {
  rig.program.liveUntil(process.hrtime.bigint() - 100_000_000n);
  expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.goOn);
  rig.program.liveUntil(1n << 62n);
  expect(rig.run(rig.wrap(solicitation())).verdict).toBe(VERDICT.carried);
});

test('limits: an address gets its answers, then those who hardly asked get theirs, and time brings more', async () => {
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
  // Another address has all of its own.
  expect(rig.run(rig.wrap(solicitation(), { from: RELAY })).verdict).toBe(yes);
  rig.setBudgets();
});

test('limits: who asks all the time gets its tokens when they are due', () => {
  const none = { perSecond: 0, burst: 0 };
  rig.setBudgets({ answers: { shared: { perSecond: 1, burst: 1 }, member: none, reserve: none } });
  const ask = () => rig.run(rig.wrap(solicitation(), { from: at('192.0.2.78:1') })).verdict;
  const begun = performance.now();
  expect(ask()).toBe(VERDICT.carried);
  let refused = 0;
  for (; performance.now() < begun + 5_000 && ask() === VERDICT.dropped; refused++);
  expect(refused).toBeGreaterThan(1_024); // more often than a token has parts
  expect(performance.now() - begun).toBeGreaterThan(999);
  expect(performance.now() - begun).toBeLessThan(1_500);
  rig.setBudgets();
});

test('limits: a large bubble counts more, and a pair has a limit of its own', () => {
  rig.setBudgets({ forwardedByPair: { perSecond: 0, burst: 3 } });
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

describe('the access list', () => {
  const between = (from: Endpoint, to: Endpoint) =>
    buildBubble(teredo(PRIMARY, from), teredo(PRIMARY, to), 21);
  afterEach(() => rig.setAccess(access()));

  test('a denied address is not answered, nothing of it is forwarded, and nothing to it; each datagram is counted', () => {
    rig.setAccess(access('-192.0.2.1')); // MAPPED
    const before = rig.program.readCounters();
    for (const to of [PRIMARY, SECONDARY]) {
      expect(rig.both(solicitation(), { to })).toBe('denied');
      expect(rig.both(between(MAPPED, PEER_MAPPED), { to })).toBe('denied');
      expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED, to })).toBe('denied');
    }
    // Nor does any other datagram of it reach the process.
    for (const payload of [Uint8Array.of(1), new Uint8Array(1_400), buildBubble(A, v6('2001:db8::1'), 21)])
      expect(rig.both(payload)).toBe('denied');
    const after = rig.program.readCounters();
    expect(after.droppedDenied - before.droppedDenied).toBe(9);
    expect(after.receivedDatagrams - before.receivedDatagrams).toBe(9);
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
    expect(rig.both(between(PEER_MAPPED, RELAY), { from: PEER_MAPPED })).toBe('decided');
  });

  test('a bubble to a denied address takes nothing of a limit', () => {
    rig.setAccess(access('-192.0.2.1'));
    rig.setBudgets({ forwardedByPair: { perSecond: 0, burst: 1 } });
    for (let i = 0; i < 3; i++)
      expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED })).toBe('denied');
    rig.setAccess(access());
    expect(rig.both(between(PEER_MAPPED, MAPPED), { from: PEER_MAPPED })).toBe('decided');
    rig.setBudgets();
  });

  test('a list of allowed prefixes serves nobody else, and a list that is gone everybody', () => {
    rig.setAccess(access('+192.0.2.10')); // PEER_MAPPED
    expect(rig.both(solicitation())).toBe('denied');
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
    rig.setAccess(access('-192.0.2.0/24', '+192.0.2.1'));
    expect(rig.both(solicitation())).toBe('decided');
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('denied');
    expect(rig.both(solicitation(), { from: at('198.51.100.1:1') })).toBe('decided');
    rig.setAccess(access());
    expect(rig.both(solicitation(), { from: PEER_MAPPED })).toBe('decided');
  });

  test('a list has room for as many prefixes as it may have', () => {
    const deny = Array.from({ length: MAX_ACCESS_PREFIXES }, (_, i) => ({
      address: v4('198.51.0.0') + 2 * i,
      length: 32,
    }));
    rig.setAccess(new AccessList({ deny }));
    for (const { address } of deny) {
      expect(rig.both(solicitation(), { from: { address, port: 1 } })).toBe('denied');
      expect(rig.both(solicitation(), { from: { address: address + 1, port: 1 } })).toBe('decided');
    }
  });

  test('random lists: the program decides as the machine does', () => {
    // Few different beginnings, so that prefixes lie in each other and match.
    const address = fc
      .tuple(fc.constantFrom('192.0.2.0', '198.51.100.0'), fc.nat(7))
      .map(([a, i]) => v4(a) + i);
    const length = fc.oneof(fc.integer({ min: 28, max: 32 }), fc.nat(32));
    const prefix = fc.record({ address, length }).map((one) => ({
      address: (one.address & ipv4Mask(one.length)) >>> 0,
      length: one.length,
    }));
    const rules = fc.uniqueArray(fc.tuple(prefix, fc.boolean()), {
      selector: ([one]) => formatIpv4Prefix(one),
      maxLength: 8,
    });
    const traffic = fc.array(fc.tuple(address, address, fc.boolean()), { minLength: 1, maxLength: 8 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(rules, traffic, (given, datagrams) => {
        const of = (wanted: boolean) =>
          given.flatMap(([one, isAllowed]) => (isAllowed === wanted ? [one] : []));
        rig.setAccess(new AccessList({ allow: of(true), deny: of(false) }));
        for (const [source, target, isBubble] of datagrams) {
          const from = { address: source, port: 4_000 };
          const payload = isBubble ? between(from, { address: target, port: 5_000 }) : solicitation();
          const verdict = rig.both(payload, { from });
          expect(verdict).not.toBe('left');
          seen.add(verdict);
        }
      }),
      { numRuns: 1_000 },
    );
    expect(seen).toEqual(new Set(['decided', 'denied']));
  });
});

interface Outer {
  readonly from?: Endpoint;
  readonly to?: Endpoint;
  readonly toPort?: number;
  readonly fragment?: number;
  readonly options?: boolean;
  readonly header?: 'right' | 'wrong';
  readonly checksum?: 'right' | 'wrong' | 'unfinished' | 'none';
}

/** The program on an Ethernet interface, and the machine beside it. */
class Rig {
  readonly program = new ServerProgram();
  private readonly machine: MachineRig<ServerMachine>;
  private list = access();

  constructor() {
    const subnets = [{ address: v4('203.0.113.122'), prefixLength: 24 }];
    const policy = new AddressPolicy({ subnets });
    const options = { primary: PRIMARY.address, secondary: SECONDARY.address, policy };
    this.machine = new MachineRig(new ServerMachine(options, new SeededEntropy(1)));
    this.configure();
    this.setBudgets();
    this.program.liveUntil(1n << 62n);
  }

  configure(more: { answers?: boolean; uplink?: number; secondary?: number } = {}): void {
    this.program.configure({
      primary: PRIMARY.address,
      secondary: SECONDARY.address,
      key: bytesOf('0102030405060708'),
      uplink: 1,
      local: [v4('203.0.113.122'), v4('203.0.113.255')],
      advertisement: this.machine.machine.advertisement,
      checksumAt: ICMPV6_CHECKSUM,
      answers: true,
      allowPrivate: false,
      ttl: 64,
      access: this.list,
      ...more,
    });
  }

  /** From now on, for the program and the machine. */
  setAccess(list: AccessList): void {
    this.list = list;
    this.configure();
    this.machine.machine.setAccess(list);
  }

  setBudgets(more: Partial<ServerLimits> = {}): void {
    const plenty = { perSecond: 1e6, burst: 1e6 };
    const fair = { shared: plenty, member: plenty, reserve: plenty };
    const { answers = fair, forwarded = fair, forwardedByPair = plenty } = more;
    this.program.setBudgets({
      answersShared: answers.shared,
      answersMember: answers.member,
      answersReserve: answers.reserve,
      forwardedShared: forwarded.shared,
      forwardedMember: forwarded.member,
      forwardedReserve: forwarded.reserve,
      forwardedByPair,
    });
  }

  /** Whether the program decides about it; fails where the machine decides otherwise. */
  both(payload: Uint8Array, outer: Outer = {}): 'decided' | 'left' | 'denied' {
    const { from = MAPPED, to = PRIMARY } = outer;
    const frame = this.wrap(payload, outer);
    const { verdict, frame: after } = this.run(frame);
    if (verdict === VERDICT.goOn) {
      expect(after).toEqual(frame);
      return 'left';
    }
    const { droppedDenied } = this.machine.machine.counters;
    this.machine.now += 60_000; // so that no limit of the machine's is met
    this.machine.clear();
    this.machine.receive(from, payload, to === SECONDARY ? 1 : 0);
    if (this.machine.machine.counters.droppedDenied > droppedDenied) {
      expect([verdict, this.machine.sent]).toEqual([VERDICT.dropped, []]);
      return 'denied';
    }
    expect(verdict).toBe(VERDICT.carried);
    const [sent] = this.machine.sent;
    expect(this.machine.sent).toHaveLength(1);
    const source = sent!.socket === 1 ? SECONDARY : PRIMARY;
    const got = unwrap(after);
    expect(got.from).toBe(formatEndpoint({ address: source.address, port: TEREDO_PORT }));
    expect(got.to).toBe(formatEndpoint({ address: sent!.address, port: sent!.port }));
    expect(got.payload).toEqual(sent!.bytes);
    return 'decided';
  }

  run(frame: Uint8Array) {
    return testRun(this.program.fd, frame);
  }

  wrap(
    payload: Uint8Array,
    { from = MAPPED, to = PRIMARY, checksum = 'right', ...outer }: Outer = {},
  ): Uint8Array {
    const options = outer.options === true ? 4 : 0;
    const b = new Uint8Array(WRAPPING + options + payload.length);
    b[0] = 0x45 + options / 4;
    writeUint16(b, 2, b.length);
    writeUint16(b, 6, outer.fragment ?? 0);
    b.set([64, 17], 8);
    writeUint32(b, 12, from.address);
    writeUint32(b, 16, to.address);
    writeUint16(b, 10, internetChecksum(b, 0, 20 + options) ^ (outer.header === 'wrong' ? 0x0101 : 0));
    const udp = 20 + options;
    writeUint16(b, udp, from.port);
    writeUint16(b, udp + 2, outer.toPort ?? TEREDO_PORT);
    writeUint16(b, udp + 4, 8 + payload.length);
    b.set(payload, udp + 8);
    const pseudo = pseudoSum(b, udp);
    const right = internetChecksum(b, udp, b.length, pseudo) || 0xffff;
    const field = { right, wrong: right ^ 0x0101, unfinished: foldSum(pseudo), none: 0 }[checksum];
    writeUint16(b, udp + 6, field);
    return Uint8Array.of(...new Uint8Array(12), 8, 0, ...b);
  }

  close(): void {
    this.program.close();
  }
}

/** A frame that leaves, whose checksums have to be right. */
function unwrap(frame: Uint8Array): { from: string; to: string; payload: Uint8Array } {
  const b = frame.slice(ETHERNET);
  const view = new DataView(b.buffer);
  expect([b[0], b[1], view.getUint16(2), view.getUint16(6), b[8], b[9]]).toEqual([
    0x45,
    0,
    b.length,
    0,
    64,
    17,
  ]);
  expect(internetChecksum(b, 0, 20)).toBe(0);
  expect(view.getUint16(24)).toBe(b.length - 20);
  expect(internetChecksum(b, 20, b.length, pseudoSum(b, 20))).toBe(0);
  return {
    from: formatEndpoint({ address: view.getUint32(12), port: view.getUint16(20) }),
    to: formatEndpoint({ address: view.getUint32(16), port: view.getUint16(22) }),
    payload: b.slice(WRAPPING),
  };
}

function hasSumOfPseudoHeader(frame: Uint8Array): boolean {
  const b = frame.subarray(ETHERNET);
  return foldSum(pseudoSum(b, 20)) === (b[26]! << 8) + b[27]!;
}

function pseudoSum(b: Uint8Array, udp: number): number {
  const view = new DataView(b.buffer, b.byteOffset);
  return [12, 14, 16, 18].reduce((sum, o) => sum + view.getUint16(o), 17 + view.getUint16(udp + 4));
}
