import { expect, test } from 'vitest';
import { seededEntropy, v4 } from '../../test/support/client-rig.ts';
import { FairShares } from './fair-shares.ts';
import { changeLimits, derivedLimits, liveCopy } from './live-limits.ts';
import { PeerTable } from './peer-table.ts';
import { RELAY_LIMITS } from './relay/index.ts';
import { TokenBuckets } from './token-buckets.ts';

const taken = (buckets: TokenBuckets, key: number, now: number): number => {
  let count = 0;
  while (count < 1_000 && buckets.take(key, 0, now)) count++;
  return count;
};

test('a live copy takes all numbers of other limits, a ceiling too, and the original stays', () => {
  const live = liveCopy(RELAY_LIMITS);
  const { shared } = live.bySource;
  const next = {
    ...RELAY_LIMITS,
    bySource: { ...RELAY_LIMITS.bySource, shared: { perSecond: 1, burst: 2 } },
    errors: { perSecond: 3, burst: 4, ceiling: 5 },
  };
  changeLimits(live, next);
  expect(live).toEqual(next);
  expect(live.bySource.shared).toBe(shared);
  expect(RELAY_LIMITS.errors).toEqual({ perSecond: 10, burst: 20 });
});

test('a bucket has the tokens of the new limits: at once the fewer ones, the more ones with time', () => {
  const limits = liveCopy({ perSecond: 1, burst: 10 });
  const buckets = new TokenBuckets(limits, seededEntropy(1));
  expect(buckets.left(1, 0, 0)).toBe(10);
  changeLimits(limits, { perSecond: 1, burst: 4 });
  expect(taken(buckets, 1, 1)).toBe(4);
  changeLimits(limits, { perSecond: 10, burst: 100 });
  expect(taken(buckets, 1, 1_001)).toBe(10);
  expect(taken(buckets, 2, 1_001)).toBe(100);
});

test('a bucket without a rate is full at its first use, also after the limits have changed', () => {
  const limits = liveCopy({ perSecond: 0, burst: 2 });
  const buckets = new TokenBuckets(limits, seededEntropy(1));
  expect(taken(buckets, 1, 0)).toBe(2);
  changeLimits(limits, { perSecond: 0, burst: 5 });
  expect([taken(buckets, 1, 1), taken(buckets, 2, 1)]).toEqual([0, 5]);
});

test('shares and derived limits follow', () => {
  const limits = liveCopy({ perSecond: 10, burst: 8 });
  const half = derivedLimits(limits, ({ perSecond, burst }) => ({
    perSecond: perSecond / 2,
    burst: burst / 2,
  }));
  const shares = new FairShares(limits, [1_000], seededEntropy(1));
  changeLimits(limits, { perSecond: 100, burst: 80 });
  expect([half.perSecond, half.burst]).toEqual([50, 40]);
  let count = 0;
  while (count < 1_000 && shares.take(0, [1], 0)) count++;
  expect(count).toBeGreaterThan(70);
});

test('a table with fewer peers than before loses none at once, and no valid one to a newcomer', () => {
  const limits = liveCopy({ trusted: 6, unverified: 6 });
  const removed: number[] = [];
  const table = new PeerTable(limits, seededEntropy(1), (peer) => removed.push(peer));
  const peers = Array.from({ length: 6 }, (_, i) => trusted(table, i, i < 3 ? 0 : 60_000));
  changeLimits(limits, { trusted: 4, unverified: 2 });
  expect([table.trustedCount, removed]).toEqual([6, []]);
  expect(table.trust(inserted(table, 10), 60_000)).toBe(true);
  expect(table.trustedCount).toBe(4);
  expect(removed.toSorted((a, b) => a - b)).toEqual(peers.slice(0, 3));
  for (let i = 20; i < 30; i++) inserted(table, i);
  expect(table.unverifiedCount).toBe(2);
  changeLimits(limits, { trusted: 100, unverified: 500 });
  for (let i = 100; i < 500; i++) inserted(table, i);
  expect(table.unverifiedCount).toBe(402);
});

test.each([2_000, 1_999, 200, 32])(
  'with a limit lowered to %i, peers of one origin give way to those of others',
  (limit) => {
    const limits = liveCopy({ trusted: 2_000, unverified: 400 });
    const table = new PeerTable(limits, seededEntropy(1), () => {});
    for (let i = 0; i < 2_000; i++) trusted(table, i, 0);
    changeLimits(limits, { trusted: limit, unverified: 400 });
    for (let i = 0; i < 100; i++) expect(trust(table, inserted(table, 5_000 + i, 0x30 + i), 1)).toBe(true);
    expect(table.trustedCount).toBe(2_000);
    expect(trust(table, inserted(table, 6_000), 1)).toBe(false);
  },
);

test('a table far above its lowered limits keeps valid peers, and loses the silent ones by a few at each newcomer', () => {
  const limits = liveCopy({ trusted: 2_000, unverified: 400 });
  const removed: number[] = [];
  const table = new PeerTable(limits, seededEntropy(1), (peer) => removed.push(peer));
  for (let i = 0; i < 2_000; i++) trusted(table, i, 0, i); // each of its own origin
  for (let i = 2_000; i < 2_400; i++) inserted(table, i);
  changeLimits(limits, { trusted: 200, unverified: 10 });
  const newcomer = inserted(table, 5_000);
  expect([removed.length, table.unverifiedCount]).toEqual([32, 369]);
  expect(trust(table, newcomer, 1)).toBe(false);
  expect([removed.length, table.trustedCount]).toEqual([32, 2_000]);
  for (let i = 0; i < 80; i++) {
    const before = table.trustedCount;
    expect(trust(table, inserted(table, 6_000 + i), 60_000)).toBe(true);
    expect(table.trustedCount).toBe(Math.max(200, before - 31));
  }
});

test('one silent peer makes no room in a table above its lowered limit, a second one does', () => {
  const limits = liveCopy({ trusted: 40, unverified: 40 });
  const table = new PeerTable(limits, seededEntropy(1), () => {});
  const peers = Array.from({ length: 40 }, (_, i) => trusted(table, i, 60_000, i));
  changeLimits(limits, { trusted: 20, unverified: 40 });
  for (const [silent, isTrusted, left] of [
    [1, false, 39],
    [2, true, 38],
  ] as const) {
    for (const peer of peers.splice(0, silent)) table.lastReceived.set(peer, 0);
    // Peers are looked at in turn, 32 for each newcomer.
    const answers = [0, 1].map((i) => table.trust(inserted(table, 100 * silent + i, 0x70), 60_000));
    expect([answers.includes(true), table.trustedCount]).toEqual([isTrusted, left]);
  }
});

function inserted(table: PeerTable, i: number, origin = 0x20): number {
  const address = new Uint8Array(16).fill(0x20);
  const view = new DataView(address.buffer);
  view.setUint32(4, origin);
  view.setUint32(12, v4('192.0.2.0') + i);
  return table.insert(address, 0);
}

/** Whether a peer that is heard now is added. */
function trust(table: PeerTable, peer: number, now: number): boolean {
  table.lastReceived.set(peer, now);
  return table.trust(peer, now);
}

function trusted(table: PeerTable, i: number, heardAt: number, origin?: number): number {
  const peer = inserted(table, i, origin);
  trust(table, peer, heardAt);
  return peer;
}
