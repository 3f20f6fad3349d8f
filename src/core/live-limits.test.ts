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

test('a table far above its lowered limits keeps valid peers and refuses newcomers; silent ones leave by a few at each', () => {
  const limits = liveCopy({ trusted: 2_000, unverified: 400 });
  const removed: number[] = [];
  const table = new PeerTable(limits, seededEntropy(1), (peer) => removed.push(peer));
  for (let i = 0; i < 2_000; i++) trusted(table, i, 0); // of one origin
  for (let i = 2_000; i < 2_400; i++) inserted(table, i);
  changeLimits(limits, { trusted: 200, unverified: 10 });
  const newcomer = inserted(table, 5_000, 0x21);
  expect([removed.length, table.unverifiedCount]).toEqual([32, 369]);
  expect(table.trust(newcomer, 1)).toBe(false);
  expect([removed.length, table.trustedCount]).toEqual([32, 2_000]);
  expect(table.trust(newcomer, 60_000)).toBe(false);
  expect(table.trustedCount).toBe(1_968);
  for (let i = 1; i < 56; i++) expect(table.trust(newcomer, 60_000)).toBe(false);
  expect(table.trust(newcomer, 60_000)).toBe(true);
  expect(table.trustedCount).toBe(200);
});

function inserted(table: PeerTable, i: number, prefix = 0x20): number {
  const address = new Uint8Array(16).fill(prefix);
  new DataView(address.buffer).setUint32(12, v4('192.0.2.0') + i);
  return table.insert(address, 0);
}

function trusted(table: PeerTable, i: number, heardAt: number): number {
  const peer = inserted(table, i);
  table.trust(peer, heardAt);
  table.lastReceived[peer] = heardAt;
  return peer;
}
