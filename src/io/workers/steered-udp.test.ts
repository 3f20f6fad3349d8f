import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import type { DatagramBatch, Udp } from '../ports.ts';
import { SteeredUdp } from './steered-udp.ts';
import { workerOfClient } from './worker-of.ts';

const STEERING = { key: 0x5eed_0001, factor: 0x9e37_79b1, workers: 2 };
const LENGTH = 40;

/** A packet of a client that worker 1 has. */
function packetOfOther(): Uint8Array {
  for (let port = 1; ; port++) {
    const packet = new Uint8Array(LENGTH);
    packet.set([0x60, 0, 0, 0, 0, 0, 59, 21, 0x20, 0x01, 0, 0, 192, 0, 2, 1, 0, 0, port >>> 8, port & 0xff]);
    if (workerOfClient(packet, 8, STEERING) === 1) return packet;
  }
}

/** The first worker's socket, on which only strays arrive. */
class StraysRig {
  now = 0;
  /** Those that were passed on, by sender. */
  readonly passed = new Map<number, number>();
  readonly socket: SteeredUdp;
  private readonly packet = packetOfOther();
  private arrive: (batch: DatagramBatch) => void = () => {};

  constructor() {
    const counters = { receiveFailures: {} };
    const udp = { counters, start: (take: typeof this.arrive) => (this.arrive = take) } as unknown as Udp;
    const clock = { now: () => this.now, setTimer: () => () => {} };
    const common = { clock, entropy: seededEntropy(4) };
    this.socket = new SteeredUdp(udp, 0, STEERING, common, ({ batch }) => {
      for (const sender of batch.addresses) this.passed.set(sender, (this.passed.get(sender) ?? 0) + 1);
    });
    this.socket.start(() => {});
  }

  receive(sender: number, count: number): void {
    const buffer = new Uint8Array(LENGTH * count);
    for (let i = 0; i < count; i++) buffer.set(this.packet, LENGTH * i);
    this.arrive({
      count,
      buffer,
      offsets: Uint32Array.from({ length: count }, (_, i) => LENGTH * i),
      lengths: new Uint32Array(count).fill(LENGTH),
      addresses: new Uint32Array(count).fill(sender),
      ports: new Uint16Array(count).fill(3_544),
      tos: new Uint8Array(count),
    });
  }

  sum(): number {
    return [...this.passed.values()].reduce((sum, count) => sum + count, 0);
  }
}

test('a sender of many strays takes nothing of the share of another sender, which has few', () => {
  const rig = new StraysRig();
  for (; rig.now < 2_000; rig.now += 10) {
    rig.receive(1, 64);
    if (rig.now % 100 === 50) rig.receive(2, 1);
  }
  expect(rig.passed.get(2)).toBe(20);
  expect(rig.passed.get(1)).toBeLessThan(2_500);
  expect(rig.socket.counters.receiveFailures['STRAYS']).toBe(12_800 - rig.passed.get(1)!);
});

test('eight such senders take nothing of it either, and all together have no more than the limit of a worker', () => {
  const rig = new StraysRig();
  for (; rig.now < 2_000; rig.now += 10) {
    for (let sender = 1; sender <= 8; sender++) rig.receive(sender, 16);
    if (rig.now % 100 === 50) rig.receive(9, 1);
  }
  expect(rig.passed.get(9)).toBe(20);
  expect(rig.sum()).toBeLessThanOrEqual(256 + 2 * 2_000);
});
