import { expect, test } from 'vitest';
import type { PeerStatus } from '../control/status.ts';
import { PeerRates, arrange, nextOrder } from './peer-rows.ts';
import type { PeerOrder, PeerRow } from './peer-rows.ts';

function peer(address: string, rest: Partial<PeerStatus> = {}): PeerStatus {
  return {
    address,
    trusted: true,
    local: false,
    offloaded: false,
    carried: 'none',
    receivedPackets: 0,
    receivedBytes: 0,
    sentPackets: 0,
    sentBytes: 0,
    ...rest,
  };
}

function rowsOf(rates: PeerRates, peers: readonly PeerStatus[], ms: number): Promise<PeerRow[]> {
  return rates.rows(peers, ms, () => Promise.resolve());
}

test('rates are those between two answers; a new peer has none', async () => {
  const rates = new PeerRates();
  const [first] = await rowsOf(rates, [peer('a', { receivedBytes: 100 })], 1_000);
  expect(first).toMatchObject({ receiveRate: undefined, received: 100 });
  const rows = await rowsOf(rates, [peer('a', { receivedBytes: 1_100, sentBytes: 50 }), peer('b')], 3_000);
  expect(rows.map(({ receiveRate, sendRate }) => [receiveRate, sendRate])).toEqual([
    [500, 25],
    [undefined, undefined],
  ]);
});

test('a peer that was forgotten and counts from 0 again has no negative rate, and one that has gone is known no longer', async () => {
  const rates = new PeerRates();
  await rowsOf(rates, [peer('a', { receivedBytes: 900 }), peer('b', { receivedBytes: 900 })], 1_000);
  const [again] = await rowsOf(rates, [peer('a')], 2_000);
  expect(again!.receiveRate).toBe(0);
  const [, b] = await rowsOf(rates, [peer('a'), peer('b', { receivedBytes: 5_000 })], 3_000);
  expect(b!.receiveRate).toBeUndefined();
});

test('the means in the words of "teredo peers"', async () => {
  const rows = await rowsOf(
    new PeerRates(),
    [peer('a', { means: 'met' }), peer('b', { trusted: false }), peer('c', { local: true }), peer('d')],
    0,
  );
  expect(rows.map(({ means }) => means)).toEqual([
    'via your relay',
    'not verified yet',
    'verified, local',
    'verified',
  ]);
});

const order = (column: PeerOrder['column'], descending: boolean): PeerOrder => ({ column, descending });

test('rows in any order, absent values last in both directions', async () => {
  const rows = await rowsOf(
    new PeerRates(),
    [
      peer('c', { receivedBytes: 1, receivedSecondsAgo: 3 }),
      peer('a', { receivedBytes: 9 }),
      peer('b', { receivedBytes: 1, receivedSecondsAgo: 1 }),
    ],
    0,
  );
  const by = (order: PeerOrder): string =>
    arrange(rows, order, '')
      .map(({ address }) => address)
      .join('');
  expect(by(order('address', false))).toBe('abc');
  expect(by(order('address', true))).toBe('cba');
  expect(by(order('received', true))).toBe('abc');
  expect(by(order('heard', false))).toBe('bca');
  expect(by(order('heard', true))).toBe('cba');
});

test('only the rows whose address has the part', async () => {
  const rows = await rowsOf(new PeerRates(), [peer('2001:db8::a'), peer('2001:db8::b')], 0);
  expect(arrange(rows, order('address', false), ' DB8::B ').map(({ address }) => address)).toEqual([
    '2001:db8::b',
  ]);
});

test('numbers begin with the largest, names with the first; a second choice turns the order', () => {
  expect(nextOrder(order('address', false), 'sent')).toEqual(order('sent', true));
  expect(nextOrder(order('sent', true), 'sent')).toEqual(order('sent', false));
  expect(nextOrder(order('sent', true), 'path')).toEqual(order('path', false));
});
