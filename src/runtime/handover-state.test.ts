import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerTable } from '../core/peer-table.ts';
import { SeededEntropy } from '../sim/seeded-entropy.ts';
import { readHandover, writeHandover } from './handover-state.ts';

const NOW = 1_000_000;

function tableOf(...peers: { last: number; receivedAt: number; sentAt: number }[]): PeerTable {
  const table = new PeerTable({ trusted: 10, unverified: 10 }, new SeededEntropy(1), () => {}, false);
  for (const { last, receivedAt, sentAt } of peers) {
    const peer = table.insert(addressOf(last), 0);
    table.mappedAddress[peer] = 0xc000_0201;
    table.mappedPort[peer] = 40_000 + last;
    table.lastReceived.set(peer, receivedAt);
    table.lastSent.set(peer, sentAt);
    table.trust(peer, NOW);
  }
  return table;
}

function addressOf(last: number): Uint8Array {
  return Uint8Array.of(0x20, 1, 0, 0, 198, 51, 100, 1, 0, 0, 1, 2, 3, 4, 5, last);
}

test('the successor reads the trusted peers, with the times on its own clock', () => {
  const table = tableOf(
    { last: 1, receivedAt: NOW - 5_000, sentAt: NOW - 10 },
    { last: 2, receivedAt: NOW, sentAt: -Infinity },
  );
  table.insert(addressOf(3), 0); // unverified
  const mappedAddress = 0xc000_0201;
  expect([...readHandover(writeHandover(table, NOW), 50, 0)!.peers]).toEqual([
    {
      address: addressOf(1),
      mappedAddress,
      mappedPort: 40_001,
      lastReceived: -4_950,
      lastSent: 40,
      marks: 0,
    },
    {
      address: addressOf(2),
      mappedAddress,
      mappedPort: 40_002,
      lastReceived: 50,
      lastSent: -Infinity,
      marks: 0,
    },
  ]);
});

test('packets that wait follow the peers; one that is cut off is left out', () => {
  const table = tableOf({ last: 1, receivedAt: NOW, sentAt: NOW });
  const packets = [Uint8Array.of(1, 2, 3), new Uint8Array(1_280).fill(7)];
  const state = writeHandover(table, NOW, packets);
  const read = readHandover(state, 50, 0)!;
  expect([[...read.peers].length, [...read.packets].map((one) => Uint8Array.from(one))]).toEqual([
    1,
    packets,
  ]);
  expect([...readHandover(state.subarray(0, -1), 50, 0)!.packets]).toHaveLength(1);
});

test('packets that have waited for more than 4 s are left out: their senders have sent them again', () => {
  const state = writeHandover(tableOf({ last: 1, receivedAt: NOW, sentAt: NOW }), NOW, [new Uint8Array(40)]);
  const countAfter = (ms: number): number[] => {
    const { peers, packets } = readHandover(state, 50, ms)!;
    return [[...peers].length, [...packets].length];
  };
  expect([countAfter(4_000), countAfter(4_001)]).toEqual([
    [1, 1],
    [1, 0],
  ]);
});

test('a state of another layout, and one that is too short, have no peers', () => {
  const state = writeHandover(tableOf({ last: 1, receivedAt: NOW, sentAt: NOW }), NOW);
  state[3] ^= 1;
  expect(readHandover(state, 0, 0)).toBeUndefined();
  expect(readHandover(new Uint8Array(3), 0, 0)).toBeUndefined();
});

test('any octets can be read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (rest) => {
      const { peers, packets } = readHandover(Uint8Array.of(0, 0, 0, 2, 0, 0, 0, ...rest, 0), 7, 0)!;
      for (const { lastReceived, lastSent } of peers)
        expect(Math.max(lastReceived, lastSent)).toBeLessThanOrEqual(7);
      for (const packet of packets) expect(packet.length).toBeLessThan(rest.length);
    }),
  );
});
