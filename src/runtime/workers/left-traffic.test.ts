import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import { HEADROOM } from '../../core/machine.ts';
import { DESTINATION } from '../../wire/index.ts';
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

/** Octets of a packet of the host to a peer. */
function packetTo(peer: number, length = 60): Uint8Array {
  const packet = new Uint8Array(length);
  packet[DESTINATION + 15] = peer;
  return packet;
}

test('a sender cannot have threads copy without end: 64 at once, 500 a second, none above 2,048 octets; the rest is counted', () => {
  const left = new LeftTraffic(seededEntropy(1));
  const b = new Uint8Array(3_000);
  for (let i = 0; i < 1_000; i++) left.addDatagram(b, 0, 100, 1, 1, 0, 0);
  for (let i = 0; i < 1_000; i++) left.addPacket(b, 0, 2_048, 0);
  const { datagrams, packets } = left.take()!;
  expect([datagrams.count, packets.count]).toEqual([64, 32]);
  expect(left.counters).toEqual({ 'udpReceiveFailures.LEFT': 936, 'tunReadFailures.LEFT': 968 });
  left.addPacket(b, 0, 2_049, 10_000);
  expect(left.take()).toBeUndefined();
});

test('all senders together: 256 at once, 2,000 a second', () => {
  const left = new LeftTraffic(seededEntropy(1));
  const taken = (from: number, to: number): number => {
    let count = 0;
    for (let now = from; now < to; now += 50) {
      for (let i = 0; i < 300; i++) {
        left.addDatagram(packetTo(1), 0, 60, i, i, 0, now);
        left.addPacket(packetTo(i & 0xff), 0, 60, now);
      }
      const { datagrams, packets } = left.take()!;
      count += datagrams.count + packets.count;
    }
    return count;
  };
  expect(taken(0, 10)).toBe(256);
  const inTenSeconds = taken(50, 10_050);
  expect(inTenSeconds).toBeLessThanOrEqual(20_000);
  expect(inTenSeconds).toBeGreaterThan(19_800);
});

test('a peer that sends much makes nothing of other peers or of the host drop', () => {
  const left = new LeftTraffic(seededEntropy(1));
  for (let now = 0; now < 10_000; now++) {
    for (let i = 0; i < 10; i++) left.addDatagram(packetTo(1), 0, 60, 1, 1, 0, now);
    if (now % 10 === 5) left.addPacket(packetTo(2), 0, 60, now);
    if (now % 10 === 7) left.addDatagram(packetTo(1), 0, 60, 2, 2, 0, now);
    const { datagrams } = left.take() ?? {};
    if (now % 10 === 7) expect(datagrams!.addresses.at(-1)).toBe(2);
  }
  expect(left.counters['tunReadFailures.LEFT']).toBeUndefined();
});

test('many peers at one address leave the few datagrams of others their reserve, and packets to many peers those to another', () => {
  const left = new LeftTraffic(seededEntropy(1));
  let [datagrams, packets] = [0, 0];
  for (let now = 0; now < 10_000; now++) {
    for (let i = 0; i < 10; i++) left.addDatagram(packetTo(1), 0, 60, 1, 1 + ((now + i) % 10), 0, now);
    for (let i = 0; i < 3; i++) left.addPacket(packetTo(1 + i), 0, 60, now);
    left.take();
    if (now % 200 !== 5) continue;
    left.addDatagram(packetTo(1), 0, 60, 2, 2, 0, now);
    left.addPacket(packetTo(99), 0, 60, now);
    const others = left.take();
    datagrams += others?.datagrams.count ?? 0;
    packets += others?.packets.count ?? 0;
  }
  expect([datagrams, packets]).toEqual([50, 50]);
});
