import { expect, test } from 'vitest';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { makeTeredoAddress } from '../wire/index.ts';
import { BUBBLE_WINDOW_MS } from './constants.ts';
import { PeerTable } from './peer-table.ts';
import { sweepSome } from './sweeping.ts';

function tableOf(count: number): { peers: PeerTable; evicted: () => number } {
  let evicted = 0;
  const peers = new PeerTable({ trusted: count, unverified: 1 }, new SeededEntropy(3), () => evicted++);
  for (let i = 0; i < count; i++) {
    const address = makeTeredoAddress({
      server: 0xcb007178,
      flags: 0,
      mappedAddress: 0x08000000 + i,
      mappedPort: 4_000,
    });
    const peer = peers.insert(address, 0);
    peers.lastReceived.set(peer, 0);
    peers.trust(peer, 0);
  }
  return { peers, evicted: () => evicted };
}

test.each([1, 400, 5_000, 100_000])(
  '%i peers: no turn has many, all are seen, not more often than needed',
  (count) => {
    const { peers, evicted } = tableOf(count);
    let [now, turns] = [BUBBLE_WINDOW_MS, 0];
    const begun = now;
    for (let pause = 0; pause !== Infinity; turns++) {
      const before = evicted();
      pause = sweepSome(peers, now);
      expect(evicted() - before).toBeLessThanOrEqual(500);
      if (pause !== Infinity) now += pause;
    }
    expect(evicted()).toBe(count);
    expect(now - begun).toBeLessThanOrEqual(Math.max(60_000, count / 10 + 1_000));
  },
);

test('a table that stays as it is: each peer is looked at about once in 10 s', () => {
  const pauses = [1, 500, 1_000, 5_000, 100_000].map((count) => sweepSome(tableOf(count).peers, 0));
  expect(pauses).toEqual([10_000, 10_000, 5_000, 1_000, 50]);
});
