import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import type { Requester } from '../payments.ts';
import { RELAY_LIMITS } from './limits.ts';
import { SourceQueues } from './source-queues.ts';

/** A host of the `n`th /64. */
const site = (n: number): Requester => [0x20010db8, n, 0, 1];

interface Queues {
  readonly queues: SourceQueues;
  readonly dropped: Requester[];
  /** A packet of the `n`th /64 comes. */
  readonly add: (n: number, length?: number, now?: number) => boolean;
}

function makeQueues(change: Partial<typeof RELAY_LIMITS.waiting> = {}): Queues {
  const dropped: Requester[] = [];
  const limits = { ...RELAY_LIMITS.waiting, ...change };
  const queues = new SourceQueues(limits, seededEntropy(), (packet) => {
    dropped.push(site((packet[0]! << 8) + packet[1]!));
  });
  const add = (n: number, length = 100, now = 0): boolean => {
    const packet = new Uint8Array(length);
    packet.set([n >> 8, n & 0xff]);
    return queues.add(site(n), packet, 0, length, now);
  };
  return { queues, dropped, add };
}

/** How many packets of the `n`th /64 wait. */
function waitingOf(queues: SourceQueues, n: number): number {
  let count = 0;
  for (let before = -1; before < count;) {
    before = count;
    queues.serve(site(n), 0, () => ++count > 0);
  }
  return count;
}

test('R-31: a few /64s that fill all the room leave a newcomer enough', () => {
  const { queues, add } = makeQueues();
  for (let i = 0; i < 2_000; i++) for (let n = 1; n <= 12; n++) add(n);
  for (let i = 0; i < 500; i++) {
    expect(add(99)).toBe(true);
    for (let n = 1; n <= 12; n++) add(n);
  }
  expect(waitingOf(queues, 99)).toBe(500);
});

test('R-31: the same where octets are short', () => {
  const { queues, add } = makeQueues();
  for (let i = 0; i < 1_000; i++) for (let n = 1; n <= 12; n++) add(n, 1_280);
  for (let i = 0; i < 200; i++) {
    expect(add(99, 1_280)).toBe(true);
    for (let n = 1; n <= 12; n++) add(n, 1_280);
  }
  expect(waitingOf(queues, 99)).toBe(200);
});

test('the longest queue makes room by its latest packet, which is reported; its first ones stay', () => {
  const { queues, dropped, add } = makeQueues({ packets: 10 });
  for (let i = 0; i < 7; i++) add(1);
  for (let i = 0; i < 3; i++) add(2);
  expect(add(3)).toBe(true);
  expect(dropped).toEqual([site(1)]);
  expect([1, 2, 3].map((n) => waitingOf(queues, n))).toEqual([6, 3, 1]);
});

test('a packet that would make its own queue the longest one finds no room', () => {
  const { queues, dropped, add } = makeQueues({ packets: 10 });
  for (let i = 0; i < 5; i++) for (const n of [1, 2]) add(n);
  expect([add(1), add(2)]).toEqual([false, false]);
  expect([dropped, waitingOf(queues, 1), waitingOf(queues, 2)]).toEqual([[], 5, 5]);
});

test('there is never more than may be, whatever comes', () => {
  const limits = { packets: 50, bytes: 8_000, packetsPerSource: 20, bytesPerSource: 4_000 };
  const { queues, dropped, add } = makeQueues(limits);
  let added = 0;
  let served = 0;
  let most = 0;
  for (let i = 0; i < 20_000; i++) {
    const n = (i * 7919) % 13;
    if (add(n, 2 + ((i * 104_729) % 1_279), i)) added++;
    if (i % 5 === 0) queues.serve(site((i * 31) % 13), i, () => ++served > 0);
    most = Math.max(most, queues.waitingPackets / 50, queues.waitingBytes / 8_000);
  }
  expect(most).toBeLessThanOrEqual(1);
  expect(queues.waitingPackets).toBe(added - served - dropped.length);
});

test('of very many packets that may leave, some do at each timeout, or at an answer, and the others at the next ones', () => {
  const { queues, add } = makeQueues();
  for (let n = 1; n <= 8; n++) for (let i = 0; i < 500; i++) add(n);
  let left = 0;
  const take = (): boolean => ++left > 0;
  queues.serve(site(1), 0, take);
  const turns = [left];
  while (queues.pollTimeout() <= 250) {
    left = 0;
    queues.handleTimeout(250, take);
    turns.push(left);
  }
  expect(turns.reduce((sum, one) => sum + one, 0)).toBe(4_000);
  expect(Math.max(...turns)).toBeLessThanOrEqual(128);
  expect([queues.isEmpty, queues.pollTimeout()]).toEqual([true, Infinity]);
});
