/** The programs' part in proofs of the kernel path: which TCP segment is tried, and when a path in use has to be proven again. */
import { beforeAll, beforeEach, expect, test } from 'vitest';
import {
  CONFIG,
  KERNEL_COUNTERS,
  NOTICE,
  NOTICE_KIND,
  REPORT,
  ROLE,
  UNIT_SHIFT,
  UPLINK,
  WAY,
} from '../../src/linux/bpf/layout.ts';
import type { Way } from '../../src/linux/bpf/layout.ts';
import { OwnPorts } from '../../src/linux/bpf/own-ports.ts';
import { PeerMap, emptyCarried } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import type { Program } from '../../src/linux/bpf/program.ts';
import { ProofMap } from '../../src/linux/bpf/proof-map.ts';
import { ServedMap } from '../../src/linux/bpf/served-map.ts';
import { ReportRing } from '../../src/linux/bpf/report-ring.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { VERDICT, testRun } from '../../src/linux/bpf/test-run.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { ICMPV6, NEXT_HEADER, parsePrefix, writeUint16, writeUint32 } from '../../src/wire/index.ts';
import { data, v4, v6 } from '../support/client-rig.ts';
import { eventually } from '../support/eventually.ts';
import { upFor } from '../support/uptime.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');
const ROUTE = { address: v4('198.51.100.7'), port: 40_000, localPort: 3_545, uplink: 0 };
const ETHERNET = 14;
const REPORTS = 1 << 16;
const [FIN, SYN, ACK] = [1, 2, 16];
/** The mark of requests for proofs; the way is in its lowest bits. */
const MARK = 0x1234_5670;
const RENEWAL_UNITS = 10_000;

let program: Program;
let peers: PeerMap;
let proofs: ProofMap;
let ring: ReportRing;
beforeAll(async () => {
  await upFor(35_000);
  enterNewNetwork();
  program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: REPORTS });
  ring = new ReportRing(program.map('reports'), REPORTS);
  writeConfig(ROLE.client);
  new ServedMap(program.map('served'), 16).set([parsePrefix('2001:db8::/32')!]);
  writeUplink(0);
  peers = new PeerMap(program.map('peers'));
  new OwnPorts(program.map('ports')).add(ROUTE.localPort);
  proofs = new ProofMap(program.map('proofs'));
  return () => {
    ring.close();
    program.close();
  };
});

beforeEach(() => {
  writeConfig(ROLE.client);
  peers.take(PEER, 0, emptyCarried());
  proofs.end(PEER);
  expect(peers.put(PEER, 0, ROUTE, now(), now())).toBe(0);
  expect(proofs.begin(PEER, new Uint8Array(7))).toBe(true);
  peers.setWay(PEER, WAY.tried, 0, 0);
  notices();
});

test('the first segment with data of a connection is tried, never a SYN, which may be sent again unnoticed', () => {
  expect(out(tcp({ flags: SYN, sequence: 100 }))).toBe(false);
  expect(out(tcp({ flags: ACK, sequence: 101 }))).toBe(false);
  expect(acknowledges(101)).toBe(false);
  expect(out(tcp({ flags: SYN, sequence: 5_000 }))).toBe(false); // a new connection with the same ports
  expect(out(tcp({ flags: ACK, sequence: 5_001, octets: 10 }))).toBe(true);
  expect(out(tcp({ flags: ACK, sequence: 5_011, octets: 10 }))).toBe(false);
  expect(acknowledges(5_010)).toBe(false);
  expect(acknowledges(5_011, 5_001)).toBe(false); // of another connection
  expect(acknowledges(5_011)).toBe(true);
});

test('a segment that goes by the process nevertheless is no longer new: its acknowledgement is no proof, and the next one is tried', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  writeUplink(1);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(false);
  writeUplink(0);
  expect(acknowledges(1_200)).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(false); // sent again
  expect(out(tcp({ sequence: 1_200, octets: 100 }))).toBe(true);
  expect(acknowledges(1_300)).toBe(true);
});

test('the first segment of an existing connection is left to the process: it may be a repetition; the next one after it is tried', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_050, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 50 }))).toBe(false); // not after 1150
  expect(out(tcp({ sequence: 1_150 }))).toBe(false); // without data
  expect(out(tcp({ sequence: 1_150, octets: 50 }))).toBe(true);
  expect(acknowledges(1_150)).toBe(false);
  expect(acknowledges(1_200)).toBe(true);
});

test.each<[string, Way]>([
  ['before a segment is tried', WAY.inward],
  ['while one is tried', WAY.tried],
])(
  'a packet to a peer without a proven path is left to the process, counted, and causes a proof: %s',
  (_, way) => {
    peers.setWay(PEER, way, 0, 0);
    const counters = () => program.readCounters(KERNEL_COUNTERS);
    const before = counters();
    expect(out(data(OWN, PEER, 100))).toBe(false);
    expect(counters()).toEqual({ ...before, outUnproven: before.outUnproven + 1 });
    expect(notices()).toEqual([NOTICE_KIND.wanted]);
  },
);

test('a segment seen since the proof began is not new, even if none was to be tried then', () => {
  peers.setWay(PEER, WAY.inward, 0, 0);
  for (const sequence of [1_000, 1_100]) expect(out(tcp({ sequence, octets: 100 }))).toBe(false);
  peers.setWay(PEER, WAY.tried, 0, 0);
  for (const sequence of [1_000, 1_100]) expect(out(tcp({ sequence, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_200, octets: 100 }))).toBe(true);
  expect(acknowledges(1_300)).toBe(true);
});

test('an acknowledgement of octets that were never sent proves nothing', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
  for (const number of [1_201, 0x7000_0000]) expect(acknowledges(number)).toBe(false);
  expect(out(tcp({ sequence: 1_200, octets: 100 }))).toBe(false);
  expect(acknowledges(1_300)).toBe(true);
});

test('an acknowledgement of another native host, with the same ports, is no proof for a relay, nor is its segment tried', () => {
  writeConfig(ROLE.relay);
  const [one, other] = [v6('2001:db8::1'), v6('2001:db8:0:1::1')];
  expect(out(tcp({ from: one, sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ from: other, sequence: 1_100, octets: 100 }))).toBe(false);
  expect(out(tcp({ from: one, sequence: 1_100, octets: 100 }))).toBe(true);
  expect(acknowledges(1_200, 5_000, other)).toBe(false);
  expect(acknowledges(1_200, 5_000, one)).toBe(true);
});

test('a packet shorter than its TCP header says is not a segment', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  const short = tcp({ sequence: 1_100, octets: 8 });
  short[52] = 15 << 4;
  expect(out(short)).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
});

test('a segment without an acknowledgement is replaced by another after half a second, at most four times', async () => {
  let sequence = 1_000;
  const next = () => out(tcp({ sequence: (sequence += 100), octets: 100 }));
  expect(next()).toBe(false);
  for (let i = 0; i < 4; i++) {
    const begun = performance.now();
    await eventually(() => expect(next()).toBe(true));
    if (i > 0) expect(performance.now() - begun).toBeGreaterThan(400);
  }
  expect(acknowledges(sequence + 100)).toBe(true);
  expect([next(), next()]).toEqual([false, false]);
});

test('sequence numbers wrap round; the last segment of a connection counts', () => {
  expect(out(tcp({ sequence: 0xffff_ff00, octets: 0x80 }))).toBe(false);
  expect(out(tcp({ flags: FIN | ACK, sequence: 0xffff_ff80, octets: 0x100 }))).toBe(true);
  expect(acknowledges(0x80)).toBe(false);
  expect(acknowledges(0x81)).toBe(true);
});

test.each([
  ['all of it', 1_100, 100],
  ['its first octet, with some before it', 1_000, 101],
  ['its last octet, with some behind it', 1_199, 100],
  ['more than it', 1_050, 200],
])('a segment proves nothing once it is sent again: %s', (_, sequence, octets) => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
  expect(out(tcp({ sequence, octets }))).toBe(false);
  expect(acknowledges(1_200)).toBe(false);
  // Then another may be tried.
  expect(out(tcp({ sequence: 2_000, octets: 100 }))).toBe(true);
  expect(acknowledges(2_100)).toBe(true);
});

test('a segment proves nothing once a packet that cannot go by this path was sent to the peer: it may have the same octets', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
  expect(out(tcp({ sequence: 1_100, octets: 1_440 }))).toBe(false);
  expect(acknowledges(1_200)).toBe(false);
});

test('octets before or after the segment may be sent again, as after the segment has overtaken them', () => {
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  for (let i = 0; i < 2; i++) expect(out(tcp({ sequence: 1_200, octets: 100 }))).toBe(false);
  expect(acknowledges(1_100)).toBe(false);
  expect(acknowledges(1_300)).toBe(true);
});

test.each<[string, Way]>([
  ['with a checksum', WAY.checked],
  ['without', WAY.bare],
])('a path in use (%s) has to be proven again once its time is over, and is used meanwhile', (_, way) => {
  const proven = now() / 1e6;
  const ago = (units: number): number => proven - (units * 2 ** 20) / 1e6 + 1_000; // a notice is due 1 s before
  peers.setWay(PEER, way, 0, ago(RENEWAL_UNITS - 1_000) * 1e6);
  expect(out(tcp({}))).toBe(true);
  expect(notices()).toEqual([]);
  peers.setWay(PEER, way, 0, ago(RENEWAL_UNITS + 1_000) * 1e6);
  expect(out(tcp({}))).toBe(true);
  expect(out(tcp({}))).toBe(true);
  expect(notices()).toEqual([NOTICE_KIND.wanted]);
});

test('a proof is requested at once for a peer that is silent for 2 s although sent to', () => {
  peers.take(PEER, 0, emptyCarried());
  peers.put(PEER, 0, ROUTE, now() - 3e9, now());
  peers.setWay(PEER, WAY.bare, 0, now() - 2e9);
  expect(out(tcp({}))).toBe(true);
  expect(notices()).toEqual([]);
  expect(out(tcp({}))).toBe(false);
  expect(notices()).toEqual([NOTICE_KIND.silent]);
});

test('an echo request of a proof that this path cannot send is dropped: by the process it would be answered, and prove nothing', () => {
  const request = (way: Way): number => {
    const frame = Uint8Array.of(...new Uint8Array(12), 0x86, 0xdd, ...data(OWN, PEER));
    return testRun(program.program('encap'), frame, 0, MARK | way).verdict;
  };
  peers.setWay(PEER, WAY.inward, 0, 0);
  expect(request(WAY.bare)).toBe(VERDICT.carried);
  peers.take(PEER, 0, emptyCarried());
  expect(request(WAY.bare)).toBe(VERDICT.dropped);
  peers.put(PEER, 0, ROUTE, now() - 31e9, now());
  expect(request(WAY.bare)).toBe(VERDICT.dropped);
});

test('an answer of an unseen peer is left to the socket, and is neither a proof nor a sign of life', () => {
  for (const [ago, isProof] of [
    [9.5e9, true],
    [10.5e9, false],
  ] as const) {
    const heardAt = Math.floor((now() - ago) / 2 ** UNIT_SHIFT) * 2 ** UNIT_SHIFT;
    peers.take(PEER, 0, emptyCarried());
    expect(peers.put(PEER, 0, ROUTE, heardAt, now())).toBe(0);
    proofs.begin(PEER, new Uint8Array(7));
    peers.setWay(PEER, WAY.inward, 0, 0);
    expect(receive(proofReply())).toBe(isProof ? VERDICT.dropped : VERDICT.goOn);
    expect(notices()).toEqual(isProof ? [NOTICE_KIND.answered] : []);
    expect(proofs.answered(PEER)).toBe(isProof ? WAY.checked : WAY.inward);
    if (!isProof) expect(peers.state(PEER, now())!.lastReceived).toBe(heardAt);
  }
});

test("an unseen peer's acknowledgement of the tried segment is no proof", () => {
  peers.take(PEER, 0, emptyCarried());
  expect(peers.put(PEER, 0, ROUTE, now() - 10.5e9, now())).toBe(0);
  proofs.begin(PEER, new Uint8Array(7));
  peers.setWay(PEER, WAY.tried, 0, 0);
  expect(out(tcp({ sequence: 1_000, octets: 100 }))).toBe(false);
  expect(out(tcp({ sequence: 1_100, octets: 100 }))).toBe(true);
  expect(acknowledges(1_200)).toBe(false);
});

function writeConfig(role: number): void {
  writeRecord(program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
    bytes.set(OWN, CONFIG.own);
    view.setUint32(CONFIG.tunnel, 1, true);
    view.setUint32(CONFIG.tunnelHeader, ETHERNET, true);
    view.setUint32(CONFIG.stretch, 1, true);
    view.setUint32(CONFIG.renewal, RENEWAL_UNITS, true);
    view.setUint32(CONFIG.mark, MARK, true);
    view.setUint8(CONFIG.role, role);
    view.setUint8(CONFIG.ttl, 64);
  });
}

/** `cuts`: 1 leaves TCP segments with data to the process. */
function writeUplink(cuts: 0 | 1): void {
  writeRecord(program.map('uplinks'), 0, UPLINK.SIZE, (view) => {
    view.setUint32(UPLINK.ifindex, 1, true);
    view.setUint32(UPLINK.source, v4('192.0.2.1'));
    view.setUint32(UPLINK.mtu, 1_500, true);
    view.setUint32(UPLINK.finishes, 1, true);
    view.setUint32(UPLINK.cuts, cuts, true);
  });
}

function now(): number {
  return Number(process.hrtime.bigint());
}

/** Whether the kernel sends a packet of the host. */
function out(packet: Uint8Array): boolean {
  const frame = Uint8Array.of(...new Uint8Array(12), 0x86, 0xdd, ...packet);
  return testRun(program.program('encap'), frame).verdict === VERDICT.carried;
}

/** Whether the peer's acknowledgement of that number is a proof. */
function acknowledges(acknowledged: number, port = 5_000, host = OWN): boolean {
  const packet = tcp({ sequence: 1, acknowledged });
  packet.copyWithin(8, 24, 40);
  packet.set(host, 24);
  writeUint16(packet, 40, 80);
  writeUint16(packet, 42, port);
  receive(packet);
  return notices().includes(NOTICE_KIND.answered);
}

/** The peer's answer to an echo request of the proof (nonce all zeros) that was sent with a checksum. */
function proofReply(): Uint8Array {
  const packet = data(PEER, OWN, 56);
  packet[6] = NEXT_HEADER.ICMPV6;
  packet.fill(0, 40);
  packet[40] = ICMPV6.ECHO_REPLY;
  packet[55] = WAY.checked;
  return packet;
}

/** The verdict on a packet of the peer. */
function receive(packet: Uint8Array): number {
  const wrapped = new Uint8Array(ETHERNET + 28 + packet.length);
  wrapped.set([0x08, 0x00], 12);
  wrapped.set([0x45, 0, 0, 28 + packet.length, 0, 0, 0, 0, 64, 17], ETHERNET);
  writeUint32(wrapped, ETHERNET + 12, v4('198.51.100.7'));
  writeUint32(wrapped, ETHERNET + 16, v4('192.0.2.1'));
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += wrapped[ETHERNET + i]! * 256 + wrapped[ETHERNET + i + 1]!;
  writeUint16(wrapped, ETHERNET + 10, ~((sum & 0xffff) + (sum >> 16)) & 0xffff);
  writeUint16(wrapped, ETHERNET + 20, 40_000);
  writeUint16(wrapped, ETHERNET + 22, 3_545);
  writeUint16(wrapped, ETHERNET + 24, 8 + packet.length);
  wrapped.set(packet, ETHERNET + 28);
  return testRun(program.program('decap'), wrapped).verdict;
}

/** The kinds of the notices since the previous call. */
function notices(): number[] {
  const kinds: number[] = [];
  ring.drain((view, offset, length) => {
    if (length !== REPORT.SIZE) kinds.push(view.getUint32(offset + NOTICE.kind, true));
  });
  return kinds;
}

function tcp({ flags = ACK, sequence = 0, acknowledged = 0, octets = 0, from = OWN }): Uint8Array {
  const bytes = data(from, PEER, 60 + octets);
  bytes[6] = 6;
  writeUint16(bytes, 40, 5_000);
  writeUint16(bytes, 42, 80);
  writeUint32(bytes, 44, sequence);
  writeUint32(bytes, 48, acknowledged);
  bytes[52] = 5 << 4;
  bytes[53] = flags;
  return bytes;
}
