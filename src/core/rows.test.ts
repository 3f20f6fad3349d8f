import { expect, test } from 'vitest';
import { RowsByPeer } from './rows-by-peer.ts';
import { NO_ROW, PAGE_ROWS, Rows } from './rows.ts';

test('rows are used again, and pages are made only for more rows than ever before', () => {
  let made = 0;
  const rows = new Rows(() => made++);
  for (let i = 0; i < 10_000; i++) rows.give(rows.take());
  expect([made, rows.inUse]).toEqual([1, 0]);
  const taken = Array.from({ length: 2 * PAGE_ROWS + 1 }, () => rows.take());
  expect([made, rows.inUse, new Set(taken).size]).toEqual([3, taken.length, taken.length]);
  expect(taken.map((row) => rows.pageOf(row)).at(-1)).toBe(2);
});

test('of the pages of a burst some are kept', () => {
  let made = 0;
  const rows = new Rows(() => made++);
  const burst = (): void => {
    const taken = Array.from({ length: 100 * PAGE_ROWS }, () => rows.take());
    for (const row of taken) rows.give(row);
  };
  burst();
  burst();
  expect(made).toBe(100 + 84);
  expect(rows.inUse).toBe(0);
});

test('rows by peer: those of far apart peers, until they are removed', () => {
  const rows = new RowsByPeer();
  const peers = [0, 1_023, 1_024, 1_000_000];
  peers.forEach((peer, row) => rows.add(peer, row));
  expect(peers.map((peer) => rows.get(peer))).toEqual([0, 1, 2, 3]);
  expect([1, 1_022, 999_999, 5_000_000].map((peer) => rows.get(peer))).toEqual(Array(4).fill(NO_ROW));
  for (const peer of peers) rows.remove(peer);
  expect(peers.map((peer) => rows.get(peer))).toEqual(Array(4).fill(NO_ROW));
  rows.add(2_048, 7);
  expect([rows.get(2_048), rows.get(2_049), rows.get(0)]).toEqual([7, NO_ROW, NO_ROW]);
});
