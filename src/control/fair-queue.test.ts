import { expect, onTestFinished, test, vi } from 'vitest';
import { FairQueue } from './fair-queue.ts';
import type { Caller } from './admission.ts';

test('one that waits of a user with many is served before the many are', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const turns = new FairQueue(1);
  const order: string[] = [];
  const many = Array.from({ length: 10 }, (_, i): [string, Caller] => [`many ${i}`, { uid: 1, pid: 10 + i }]);
  const modest: [string, Caller] = ['modest', { uid: 2, pid: 30 }];
  for (const [name, caller] of [...many, modest]) void turns.take(caller, () => order.push(name));
  await vi.runAllTimersAsync();
  expect(order).toHaveLength(11);
  expect(order.indexOf('modest')).toBe(1);
});

test('so it is with a process among others of its user', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const turns = new FairQueue(1);
  const order: string[] = [];
  for (let i = 0; i < 10; i++) void turns.take({ uid: 1, pid: 10 }, () => order.push(`many ${i}`));
  void turns.take({ uid: 1, pid: 11 }, () => order.push('modest'));
  await vi.runAllTimersAsync();
  expect(order.indexOf('modest')).toBe(1);
});

test('a process that leaves is not waited for', async () => {
  const turns = new FairQueue(1);
  const [first, second] = [
    { uid: 1, pid: 1 },
    { uid: 1, pid: 2 },
  ];
  const done = turns.take(first, () => 'first');
  const left = turns.take(second, () => 'second');
  turns.leave(second);
  expect([await done, await left, turns.waitingCount]).toEqual(['first', undefined, 0]);
});

test('an asker that leaves in the moment in which its turn begins gets none, and the next one has its turn', async () => {
  const queue = new FairQueue(0);
  const [one, other] = [
    { uid: 1000, pid: 1 },
    { uid: 1001, pid: 2 },
  ];
  const first = queue.take(one, () => 'served'); // its turn begins at once: no other asker waits
  queue.leave(one);
  expect(await first).toBeUndefined();
  expect(await queue.take(other, () => 'other')).toBe('other');
});
