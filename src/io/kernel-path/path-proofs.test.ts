import { beforeEach, expect, test } from 'vitest';
import { seededEntropy, v4, v6 } from '../../../test/support/client-rig.ts';
import { LimitHits } from '../../core/limit-hits.ts';
import { WAY } from '../../linux/bpf/layout.ts';
import type { Way } from '../../linux/bpf/layout.ts';
import { PROOF_NONCE_LENGTH } from '../../linux/bpf/proof-map.ts';
import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  SOURCE,
  checkIcmpv6,
  formatIpv6,
  icmpv6Type,
} from '../../wire/index.ts';
import type { Ipv4, Ipv6 } from '../../wire/index.ts';
import {
  MOST_PROOFS,
  MOST_PROOFS_BY_ADDRESS,
  PROOF_LIMITS,
  PathProofs,
  RENEWAL_LIMITS,
  carriedPath,
} from './path-proofs.ts';

const OWN = v6('2001:0:cb00:7178::1');
const PEER = v6('2001:0:cb00:7178::2');

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});

test('an echo request without a UDP checksum, then both kinds; the first one that is answered decides', () => {
  for (const answered of [WAY.bare, WAY.checked]) {
    rig = new Rig();
    rig.proofs.request(PEER, OWN, 0);
    expect(rig.sent).toEqual([]); // the packet that caused the proof goes by the socket first
    rig.run(0, 2_100, (at) => {
      if (at === 250) rig.answer(PEER, answered, at);
    });
    expect(rig.sent.map(({ way }) => way)).toEqual([WAY.bare, WAY.bare, WAY.checked]);
    expect(rig.entry(PEER)).toMatchObject({ way: answered, failures: 0 });
    expect(rig.armed.size).toBe(0);
  }
});

test('each one is a complete echo request: source, destination, checksum, nonce and form', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 300);
  for (const { packet, way } of rig.sent) {
    expect([...packet.subarray(SOURCE, SOURCE + 16)]).toEqual([...OWN]);
    expect([...packet.subarray(DESTINATION, DESTINATION + 16)]).toEqual([...PEER]);
    expect(icmpv6Type(packet, 0)).toBe(ICMPV6.ECHO_REQUEST);
    expect(checkIcmpv6(packet, 0)).toBe(true);
    const data = packet.subarray(IPV6_HEADER + 8);
    expect([...data]).toEqual([...rig.armed.get(formatIpv6(PEER))!.nonce, way]);
  }
  const other = new Rig(2);
  other.proofs.request(PEER, OWN, 0);
  expect(other.armed.get(formatIpv6(PEER))!.nonce).not.toEqual(rig.armed.get(formatIpv6(PEER))!.nonce);
});

test('a kernel that cannot unwrap super-packets never sends without a checksum', () => {
  rig = new Rig(1, WAY.checked);
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 2_100);
  expect(new Set(rig.sent.map(({ way }) => way))).toEqual(new Set([WAY.checked]));
});

test('not answered, though the peer is heard: tried again after 10, 20, 40 s ... 640 s', () => {
  const waits: number[] = [];
  for (let now = 0, i = 0; i < 9; i++) {
    rig.proofs.request(PEER, OWN, now);
    rig.hear(PEER, now + 500);
    rig.run(now, now + 2_100);
    waits.push(Math.round((rig.entry(PEER).noticeAfterMs - now) / 1_000) - 2);
    now = rig.entry(PEER).noticeAfterMs;
  }
  expect(waits).toEqual([10, 20, 40, 80, 160, 320, 640, 640, 640]);
  expect(rig.proofs.counters).toMatchObject({ proofsFailed: 9, proofsAnswered: 0, proofsUnheard: 0 });
  rig.proofs.request(PEER, OWN, 1e7);
  rig.run(1e7, 1e7 + 50);
  rig.answer(PEER, WAY.bare, 1e7 + 60);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.bare, failures: 0 });
});

test('a peer that is not heard at all has not failed: it is tried again with the next packet', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 2_100);
  expect(carriedPath(rig.state(PEER), 0)).toEqual({ way: 'inward', reason: 'unproven' });
  expect(rig.entry(PEER).noticeAfterMs).toBeLessThan(3_200);
  expect(rig.proofs.counters).toMatchObject({ proofsUnheard: 1, proofsFailed: 0 });
});

test('a refusal by the host ends the proof before any request was sent, and blocks it for 10 s', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.proofs.handleRefusal(PEER, 1);
  rig.run(1, 3_000);
  expect(rig.sent).toEqual([]);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.inward, noticeAfterMs: 10_001 });
  expect(carriedPath(rig.state(PEER), 0)).toEqual({ way: 'inward', reason: 'refused' });
  // This does not count as a failed proof.
  rig.proofs.request(PEER, OWN, 20_000);
  rig.hear(PEER, 20_500);
  rig.run(20_000, 22_100);
  expect(rig.entry(PEER)).toMatchObject({ failures: 1 });
});

test('one proof per peer at a time, none of a peer that is not carried, and a limited number in all', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.proofs.request(PEER, OWN, 1);
  rig.proofs.request(v6('2001:0:cb00:7178::9'), OWN, 2);
  expect(rig.armed.size).toBe(1);
  for (let i = 0; i < 2 * MOST_PROOFS; i++) {
    const peer = peerNumber(i);
    rig.add(peer, 0x0a00_0000 + i);
    rig.proofs.request(peer, OWN, 3);
  }
  expect(rig.armed.size).toBe(MOST_PROOFS / 2);
  rig.proofs.clear();
  expect([rig.armed.size, rig.proofs.pollTimeout()]).toEqual([0, Infinity]);
});

test('new peers, at however many IPv4 addresses, do not take the room of paths in use', () => {
  for (let i = 0; i < 2 * MOST_PROOFS; i++) {
    rig.add(peerNumber(i), 0x0a00_0000 + i);
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  const before = rig.armed.size;
  rig.entry(PEER).way = WAY.bare;
  rig.proofs.request(PEER, OWN, 0);
  expect(rig.armed.size).toBe(before + 1);
});

test('peers that an attacker invented at one IPv4 address: no more echo requests go there than the limit permits', () => {
  for (let i = 0; i < 1_000; i++) {
    rig.add(peerNumber(i), v4('198.51.100.7'));
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  expect(rig.armed.size).toBe(MOST_PROOFS_BY_ADDRESS);
  rig.add(PEER, v4('198.51.100.8'));
  rig.proofs.request(PEER, OWN, 0);
  expect(rig.armed.size).toBe(MOST_PROOFS_BY_ADDRESS + 1);
  rig.proofs.drop(PEER);
  rig.run(0, 2_100);
  expect(rig.sent.length).toBeLessThanOrEqual(PROOF_LIMITS.burst + 2.1 * PROOF_LIMITS.perSecond);
  expect(rig.proofs.counters.proofsSuppressed).toBeGreaterThan(0);
});

test.each([WAY.checked, WAY.bare])(
  'a path in use is proven again, with one kind of request only: answered it stays (%i)',
  (way) => {
    rig.entry(PEER).way = way;
    rig.proofs.request(PEER, OWN, 0);
    rig.hear(PEER, 10);
    rig.run(0, 400, (at) => {
      if (at === 350) rig.answer(PEER, way, at);
    });
    expect(rig.sent.map((one) => one.way)).toEqual([way, way]);
    expect(rig.entry(PEER)).toMatchObject({ way, failures: 0, noticeAfterMs: 350 });
    expect(rig.proofs.counters).toMatchObject({ proofsAnswered: 1, renewalsFailed: 0 });
  },
);

test('a path in use is tried at once: packets may wait for the answer', () => {
  const rig = new Rig();
  rig.entry(PEER).way = WAY.bare;
  rig.proofs.request(PEER, OWN, 1_000);
  expect(rig.proofs.pollTimeout()).toBe(1_000);
});

test('a path in use that is not answered, though the peer sends, is given up, and all kinds are tried at once', () => {
  rig.entry(PEER).way = WAY.bare;
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 2_100, (at) => rig.hear(PEER, at));
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.inward, failures: 0 });
  expect(rig.entry(PEER).noticeAfterMs).toBeLessThan(2_100);
  expect(rig.proofs.counters).toMatchObject({ renewalsFailed: 1, proofsFailed: 0 });
  rig.proofs.request(PEER, OWN, 2_200);
  rig.run(2_200, 2_500);
  rig.answer(PEER, WAY.checked, 2_500);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.checked });
});

test('paths in use take neither the room nor the requests of new peers', () => {
  for (let i = 0; i < 2 * MOST_PROOFS; i++) {
    rig.add(peerNumber(i), 0x0a00_0000 + i);
    rig.entry(peerNumber(i)).way = WAY.bare;
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  expect(rig.armed.size).toBe(MOST_PROOFS / 2);
  rig = new Rig();
  for (let i = 0; i < MOST_PROOFS_BY_ADDRESS; i++) {
    rig.add(peerNumber(i), v4('198.51.100.2'));
    rig.entry(peerNumber(i)).way = WAY.bare;
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  rig.run(0, 2_100);
  expect(rig.sent.length).toBeLessThanOrEqual(RENEWAL_LIMITS.burst + 2.1 * RENEWAL_LIMITS.perSecond);
  rig.proofs.clear();
  rig.proofs.request(PEER, OWN, 2_100);
  rig.run(2_100, 2_200);
  expect(rig.sent.at(-1)!.packet.subarray(DESTINATION, DESTINATION + 16)).toEqual(PEER);
});

test('a peer that the limits kept from being tried: a path in use stays, and a new one is tried again after a second', () => {
  for (let i = 0; i < MOST_PROOFS_BY_ADDRESS; i++) {
    rig.add(peerNumber(i), v4('198.51.100.2'));
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  rig.run(0, 2_100, (at) => {
    for (let i = 0; i < MOST_PROOFS_BY_ADDRESS; i++) rig.hear(peerNumber(i), at);
  });
  const failed = rig.proofs.counters.proofsFailed;
  expect(failed).toBeGreaterThan(0);
  const unasked = [...Array(MOST_PROOFS_BY_ADDRESS).keys()]
    .map((i) => rig.entry(peerNumber(i)))
    .filter(({ failures }) => failures === 0);
  expect(unasked).toHaveLength(MOST_PROOFS_BY_ADDRESS - failed);
  for (const entry of unasked)
    expect(entry).toMatchObject({ way: WAY.inward, noticeAfterMs: expect.closeTo(3_020, -2) as number });
});

test.each([
  ['the limit of requests', MOST_PROOFS_BY_ADDRESS - 2],
  ['the room', MOST_PROOFS_BY_ADDRESS],
])(
  'at a crowded IPv4 address (%s): the path to a peer that is silent although sent to is given up, another one is tried again soon',
  (_, crowd) => {
    const address = v4('198.51.100.2');
    const [silent, other] = [v6('2001:0:cb00:7178::5'), v6('2001:0:cb00:7178::6')];
    for (const peer of [...Array.from({ length: crowd }, (__, i) => peerNumber(i)), silent, other]) {
      rig.add(peer, address);
      rig.entry(peer).way = WAY.bare;
      rig.proofs.request(peer, OWN, 0, peer === silent);
    }
    rig.run(0, 2_100);
    const asked = new Set(
      rig.sent.map(({ packet }) => formatIpv6(packet.slice(DESTINATION, DESTINATION + 16))),
    );
    expect([asked.has(formatIpv6(silent)), asked.has(formatIpv6(other))]).toEqual([false, false]);
    expect(rig.entry(silent)).toMatchObject({ way: WAY.inward, failures: 0 });
    expect(rig.entry(silent).noticeAfterMs).toBeLessThan(3_200);
    expect(rig.entry(other)).toMatchObject({ way: WAY.bare, failures: 0 });
    expect(rig.entry(other).renewAtMs).toBeLessThan(4_500);
  },
);

/** Peers at few IPv4 addresses that are never heard while they are asked, and are wanted as soon as the programs let them. */
function crowd(way: Way): { peers: Ipv6[]; want: (now: number) => void } {
  const peers = Array.from({ length: 12 * 70 }, (_, i) => peerNumber(i));
  for (const [i, peer] of peers.entries()) {
    rig.add(peer, v4('198.51.100.10') + (i % 12));
    rig.entry(peer).way = way;
  }
  const want = (now: number): void => {
    for (const peer of peers) {
      const entry = rig.entry(peer);
      if (now < Math.max(entry.noticeAfterMs, entry.renewAtMs === Infinity ? 0 : entry.renewAtMs)) continue;
      entry.noticeAfterMs = now + 1_000;
      if (way !== WAY.inward) entry.way = way; // they have answered once more
      rig.proofs.request(peer, OWN, now, true);
    }
  };
  return { peers, want };
}

test('peers at a dozen IPv4 addresses that never answer keep no other peer from proving a path', () => {
  const { want } = crowd(WAY.inward);
  const honest = Array.from({ length: 100 }, (_, i) => v6(`2001:0:cb00:7178:1::${(i + 1).toString(16)}`));
  for (const [i, peer] of honest.entries()) rig.add(peer, v4('203.0.113.1') + i);
  const late: number[] = [];
  rig.run(0, 12_500, (now) => {
    want(now);
    if (now < 2_000) return;
    const peer = honest[(now - 2_000) / 100];
    if (peer !== undefined) rig.proofs.request(peer, OWN, now);
    for (const [i, one] of honest.entries()) {
      if (now === 2_000 + 100 * i + 300) rig.answer(one, WAY.bare, now);
      if (now === 2_000 + 100 * i + 400 && rig.entry(one).way !== WAY.bare) late.push(i);
    }
  });
  expect(late).toEqual([]);
  // The limits record the addresses that reach them.
  const { subjects } = rig.hits.take('proofs');
  expect(subjects.length).toBeGreaterThan(0);
  for (const { words } of subjects) expect(words[0] - v4('198.51.100.10')).toBeLessThan(12);
});

test('nor does that take any peer off a path in use', () => {
  const { want } = crowd(WAY.bare);
  const honest = Array.from({ length: 100 }, (_, i) => v6(`2001:0:cb00:7178:1::${(i + 1).toString(16)}`));
  for (const [i, peer] of honest.entries()) {
    rig.add(peer, v4('203.0.113.1') + i);
    rig.entry(peer).way = WAY.bare;
  }
  rig.run(0, 11_500, (now) => {
    want(now);
    for (const [i, one] of honest.entries()) {
      if (now === 2_000 + 90 * i) rig.proofs.request(one, OWN, now, true);
      if (now === 2_000 + 90 * i + 300) rig.answer(one, WAY.bare, now);
    }
  });
  expect(honest.filter((one) => rig.entry(one).way !== WAY.bare)).toEqual([]);
});

test('a peer that is never heard while it is asked is asked less and less often, and as at first once it has answered', () => {
  const waits: number[] = [];
  let now = 0;
  const next = (): void => {
    rig.proofs.request(PEER, OWN, now);
    rig.run(now, now + 2_100);
    waits.push(Math.round((rig.entry(PEER).noticeAfterMs - now) / 1_000) - 2);
    now = rig.entry(PEER).noticeAfterMs;
  };
  for (let i = 0; i < 8; i++) next();
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 32, 32]);
  expect(carriedPath(rig.state(PEER), now)).toEqual({ way: 'inward', reason: 'unproven' });
  rig.proofs.request(PEER, OWN, now);
  rig.run(now, now + 50);
  rig.answer(PEER, WAY.bare, now + 60);
  rig.entry(PEER).way = WAY.inward;
  waits.length = 0;
  now += 1_000;
  next();
  expect(waits).toEqual([1]);
  // Nor is a failure forgotten by that: once heard and unheard, in turn.
  for (let i = 0; i < 4; i++) {
    rig.proofs.request(PEER, OWN, now);
    if (i % 2 === 0) rig.hear(PEER, now + 500);
    rig.run(now, now + 2_100);
    waits.push(Math.round((rig.entry(PEER).noticeAfterMs - now) / 1_000) - 2);
    now = rig.entry(PEER).noticeAfterMs;
  }
  expect(waits).toEqual([1, 10, 2, 40, 8]);
});

test('a proof that the limit lets no request out for takes no room', () => {
  const address = v4('198.51.100.7');
  for (let i = 0; i < PROOF_LIMITS.burst; i++) {
    rig.add(peerNumber(i), address);
    rig.proofs.request(peerNumber(i), OWN, 0);
    rig.proofs.drop(peerNumber(i));
  }
  rig.add(PEER, address);
  rig.proofs.request(PEER, OWN, 0);
  expect(rig.armed.size).toBe(0);
  expect(rig.proofs.counters.proofsSuppressed).toBe(1);
  rig.proofs.request(PEER, OWN, 1_000);
  expect(rig.armed.size).toBe(1);
});

test('where each address has one proof under way, one more waits, and no address is blamed', () => {
  for (let i = 0; i < MOST_PROOFS / 2; i++) {
    rig.add(peerNumber(i), 0x0a00_0000 + i);
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  rig.proofs.request(PEER, OWN, 0);
  expect(rig.armed.has(formatIpv6(PEER))).toBe(false);
  expect(rig.armed.size).toBe(MOST_PROOFS / 2);
  expect(rig.hits.take('proofs')).toMatchObject({ times: 1, subjects: [] });
});

test('a peer that falls silent while its path is proven again counts as silent', () => {
  for (let i = 0; i < MOST_PROOFS_BY_ADDRESS - 1; i++) {
    rig.add(peerNumber(i), v4('198.51.100.2'));
    rig.entry(peerNumber(i)).way = WAY.bare;
    rig.proofs.request(peerNumber(i), OWN, 0);
  }
  rig.entry(PEER).way = WAY.bare;
  rig.proofs.request(PEER, OWN, 0);
  rig.proofs.request(PEER, OWN, 100, true);
  rig.run(100, 2_100);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.inward });
});

test('a peer to which nothing could be sent has failed no proof', () => {
  rig.canSend = false;
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 2_100, (at) => rig.hear(PEER, at));
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.inward, failures: 0 });
  expect(rig.entry(PEER).noticeAfterMs).toBeLessThan(3_200);
  expect(rig.proofs.counters).toMatchObject({ proofsSent: 0, proofsFailed: 0 });
});

test('an answer whose notice was lost is found before the proof fails', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 100);
  rig.armed.get(formatIpv6(PEER))!.answered = WAY.bare;
  rig.hear(PEER, 100);
  rig.run(100, 2_100);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.bare, failures: 0 });
  expect(rig.proofs.counters).toMatchObject({ proofsAnswered: 1, proofsFailed: 0 });
});

test('a peer that has moved meanwhile: an answer to a request sent before proves nothing', () => {
  for (const place of [{ address: v4('198.51.100.3') }, { port: 50_000 }, { uplink: 1 }]) {
    rig = new Rig();
    rig.proofs.request(PEER, OWN, 0);
    rig.run(0, 100);
    rig.proofs.handlePlace(PEER);
    expect(rig.armed.size).toBe(1);
    Object.assign(rig.entry(PEER), place);
    rig.proofs.handlePlace(PEER);
    rig.answer(PEER, WAY.bare, 110);
    expect(rig.entry(PEER)).toMatchObject({ way: WAY.inward, failures: 0 });
    expect(rig.armed.size).toBe(0);
  }
});

test('a peer whose TCP segment is out while no proof is under way is tried again', () => {
  rig.entry(PEER).way = WAY.tried;
  rig.proofs.request(PEER, OWN, 0);
  rig.run(0, 100);
  rig.answer(PEER, WAY.bare, 110);
  expect(rig.entry(PEER)).toMatchObject({ way: WAY.bare });
});

test('a peer that is no longer carried is not tried any more; a late answer is ignored', () => {
  rig.proofs.request(PEER, OWN, 0);
  rig.proofs.drop(PEER);
  rig.run(0, 2_100);
  rig.proofs.handleAnswer(PEER, 2_100);
  expect(rig.sent).toEqual([]);
  expect(rig.entry(PEER).way).toBe(WAY.inward);
});

test('how far a peer is carried, and the reason if it is not carried both ways', () => {
  const state = rig.state(PEER);
  expect(carriedPath(state, 1e9)).toEqual({ way: 'inward', reason: 'unproven' });
  expect(carriedPath({ ...state, failures: 3 }, 1e9)).toEqual({ way: 'inward', reason: 'unanswered' });
  expect(carriedPath({ ...state, way: WAY.checked }, 1e9)).toEqual({ way: 'both' });
  const silent = { ...state, way: WAY.bare, socketHeardAgo: 19e9, lastReceived: 1e9 };
  expect(carriedPath(silent, 20e9)).toEqual({ way: 'both' });
  expect(carriedPath({ ...silent, lastReceived: 11e9 }, 20e9)).toEqual({ way: 'none', reason: 'unseen' });
  // The limit holds however many peers there are.
  const unseen = { ...silent, socketHeardAgo: 14e9, lastReceived: 20e9 };
  expect(carriedPath({ ...unseen, socketHeardAgo: 13e9 }, 20e9, 40)).toEqual({ way: 'both' });
  expect(carriedPath(unseen, 20e9, 40)).toEqual({ way: 'none', reason: 'unseen' });
});

test('of very many proofs that are due at once, some go on at each timeout, and all in the end', () => {
  const peers = Array.from({ length: 400 }, (_, i) => peerNumber(i));
  for (const [i, peer] of peers.entries()) {
    rig.add(peer, v4('198.51.100.0') + i);
    rig.proofs.request(peer, OWN, 0);
  }
  const turns: number[] = [];
  while (rig.proofs.pollTimeout() <= 20) {
    rig.sent.length = 0;
    rig.proofs.handleTimeout(20);
    turns.push(rig.sent.length);
  }
  expect(turns.reduce((sum, one) => sum + one, 0)).toBe(400);
  expect(Math.max(...turns)).toBeLessThanOrEqual(64);
  rig.run(30, 2_100);
  expect(rig.armed.size).toBe(0);
});

function peerNumber(i: number): Ipv6 {
  return v6(`2001:0:cb00:7178::${(i + 0x100).toString(16)}`);
}

interface Entry {
  way: Way;
  failures: number;
  address: Ipv4;
  port: number;
  localPort: number;
  uplink: number;
  lastReceivedMs: number;
  noticeAfterMs: number;
  renewAtMs: number;
}

/** Plays the kernel's table of peers, as far as proofs use it. */
class Rig {
  readonly sent: { packet: Uint8Array; way: Way }[] = [];
  readonly armed = new Map<string, { nonce: Uint8Array; answered: Way }>();
  readonly proofs: PathProofs;
  readonly hits = new LimitHits();
  canSend = true;
  private readonly entries = new Map<string, Entry>();

  constructor(seed = 1, furthest: Way = WAY.bare) {
    this.add(PEER, v4('198.51.100.2'));
    this.proofs = new PathProofs(
      {
        state: (peer) => {
          const entry = this.entries.get(formatIpv6(peer));
          return entry && { ...entry };
        },
        setWay: (peer, way, failures, noticeAfterMs) =>
          Object.assign(this.entry(peer), { way, failures, noticeAfterMs }),
        renewAt: (peer, renewAtMs) => Object.assign(this.entry(peer), { renewAtMs }),
      },
      {
        begin: (peer, nonce) => {
          expect(nonce).toHaveLength(PROOF_NONCE_LENGTH);
          this.armed.set(formatIpv6(peer), { nonce: nonce.slice(), answered: WAY.inward });
          return true;
        },
        answered: (peer) => this.armed.get(formatIpv6(peer))?.answered ?? WAY.inward,
        end: (peer) => void this.armed.delete(formatIpv6(peer)),
      },
      (packet, way) => {
        if (this.canSend) this.sent.push({ packet, way });
        return this.canSend;
      },
      seededEntropy(seed),
      furthest,
      this.hits,
    );
  }

  add(peer: Ipv6, address: Ipv4): void {
    this.entries.set(formatIpv6(peer), {
      way: WAY.inward,
      failures: 0,
      address,
      port: 40_000,
      localPort: 3_545,
      uplink: 0,
      lastReceivedMs: -1,
      noticeAfterMs: 0,
      renewAtMs: Infinity,
    });
  }

  entry(peer: Ipv6): Entry {
    return this.entries.get(formatIpv6(peer))!;
  }

  state(peer: Ipv6) {
    return { ...this.entry(peer), unwraps: false, lastReceived: 0, socketHeardAgo: 0 };
  }

  hear(peer: Ipv6, at: number): void {
    this.entry(peer).lastReceivedMs = at;
  }

  answer(peer: Ipv6, way: Way, now: number): void {
    const proof = this.armed.get(formatIpv6(peer));
    if (proof !== undefined) proof.answered = way;
    this.hear(peer, now);
    this.proofs.handleAnswer(peer, now);
  }

  run(from: number, until: number, at: (now: number) => void = () => {}): void {
    for (let now = from; now <= until; now += 10) {
      at(now);
      while (now >= this.proofs.pollTimeout()) this.proofs.handleTimeout(now);
    }
  }
}
