import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import { HEADROOM } from '../../core/machine.ts';
import { LeftTraffic } from './left-traffic.ts';

test('it keeps copies, in the order in which they came, with room in front', () => {
  const left = new LeftTraffic(seededEntropy(1));
  expect(left.take()).toBeUndefined();
  const b = Uint8Array.of(1, 2, 3, 4);
  left.addDatagram(b, 0, 2, 5, 6, 7, 0);
  left.addDatagram(b, 1, 4, 8, 9, 1, 0);
  left.addPacket(b, 3, 4, 0);
  b.fill(0);
  const { datagrams, packets } = left.take()!;
  expect(datagrams).toMatchObject({
    count: 2,
    addresses: Uint32Array.of(5, 8),
    ports: Uint16Array.of(6, 9),
    tos: Uint8Array.of(7, 1),
  });
  const bytesOf = ({ buffer, offsets, lengths }: typeof packets): number[][] =>
    [...offsets].map((at, i) => [...buffer.subarray(at, at + lengths[i]!)]);
  expect(bytesOf(datagrams)).toEqual([
    [1, 2],
    [2, 3, 4],
  ]);
  expect(bytesOf(packets)).toEqual([[4]]);
  expect(datagrams.offsets[0]).toBe(HEADROOM);
  expect(datagrams.offsets[1]! - datagrams.offsets[0]! - datagrams.lengths[0]!).toBe(HEADROOM);
  expect(left.take()).toBeUndefined();
});

test('a sender cannot have threads copy without end: 256 at once, 2,000 a second, none above 2,048 octets; the rest is counted', () => {
  const left = new LeftTraffic(seededEntropy(1));
  const b = new Uint8Array(3_000);
  for (let i = 0; i < 1_000; i++) left.addDatagram(b, 0, 100, 1, 1, 0, 0);
  left.addPacket(b, 0, 100, 0);
  expect(left.take()!.datagrams.count).toBe(256);
  expect(left.counters).toEqual({ 'udpReceiveFailures.STRAYS': 744, 'tunReadFailures.STRAYS': 1 });
  for (let i = 0; i < 1_000; i++) left.addPacket(b, 0, 2_048, 100);
  expect(left.take()!.packets.count).toBe(200);
  left.addPacket(b, 0, 2_049, 10_000);
  expect(left.take()).toBeUndefined();
});
