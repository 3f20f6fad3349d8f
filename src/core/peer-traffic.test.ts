import { expect, test } from 'vitest';
import { NO_TRAFFIC, TrafficCounts } from './peer-traffic.ts';

test('each slot has its own counts, beyond 32 bits, until it is reset', () => {
  const counts = new TrafficCounts();
  expect(counts.of(1_000_000)).toEqual(NO_TRAFFIC);
  for (const slot of [0, 31, 32, 511, 1_000_000]) {
    counts.countReceived(slot, 2 ** 40 + slot, 2 ** 33);
    counts.countSent(slot, slot, 1);
    counts.countSent(slot, 0, 0);
  }
  for (const slot of [0, 31, 32, 511, 1_000_000])
    expect(counts.of(slot)).toEqual({
      receivedPackets: 2 ** 33,
      receivedBytes: 2 ** 40 + slot,
      sentPackets: 1,
      sentBytes: slot,
    });
  expect([counts.of(1), counts.of(30), counts.of(33)]).toEqual([NO_TRAFFIC, NO_TRAFFIC, NO_TRAFFIC]);
  counts.reset(32);
  expect([counts.of(32), counts.of(31).sentPackets, counts.of(511).sentPackets]).toEqual([NO_TRAFFIC, 1, 1]);
});

test('few packets take 8 octets for each peer, and many 16 or 32', () => {
  const counts = new TrafficCounts();
  const perPeer = (): number => counts.byteLength / 256;
  for (let slot = 0; slot < 256; slot++) {
    counts.countSent(slot, 0xffff, 1);
    counts.countReceived(slot, slot, slot + 1);
  }
  const before = counts.of(7);
  expect(perPeer()).toBe(8);
  counts.countSent(255, 1, 1);
  expect([perPeer(), counts.of(255).sentBytes]).toEqual([16, 0x1_0000]);
  counts.countReceived(255, 0xffffffff - 255, 1);
  expect([perPeer(), counts.of(255).receivedBytes]).toEqual([16, 0xffffffff]);
  counts.countReceived(255, 1, 1);
  expect([perPeer(), counts.of(255).receivedBytes]).toEqual([32, 2 ** 32]);
  expect(counts.of(7)).toEqual(before);
});
