import { expect, test } from 'vitest';
import { MemoryClock } from '../io/memory-clock.ts';
import type { KernelPath } from '../io/ports.ts';
import { KernelQueue } from './kernel-queue.ts';

function open() {
  const [clock, flushedAt] = [new MemoryClock(), [] as number[]];
  const queue = new KernelQueue({ flush: () => flushedAt.push(clock.now()) } as unknown as KernelPath, clock);
  return { clock, queue, flushedAt };
}

/** A batch of inputs that caused so many offers and withdrawals. */
function batch(queue: KernelQueue, offers: number, withdrawals = 0): void {
  for (let i = 0; i < offers; i++) queue.offered();
  for (let i = 0; i < withdrawals; i++) queue.withdrawn();
  queue.settle();
}

test('an offer is carried out 5 ms later, once, with those that come meanwhile; the first of all at once', () => {
  const { clock, queue, flushedAt } = open();
  const begun = clock.now();
  batch(queue, 0);
  expect(flushedAt).toEqual([]);
  batch(queue, 1);
  expect(flushedAt.splice(0)).toEqual([begun]);
  batch(queue, 0);
  batch(queue, 1);
  clock.advance(4);
  batch(queue, 1);
  expect(flushedAt).toEqual([]);
  clock.advance(1);
  expect(flushedAt).toEqual([begun + 5]);
  clock.advance(100);
  expect(flushedAt).toEqual([begun + 5]);
  batch(queue, 1);
  clock.advance(5);
  expect(flushedAt).toEqual([begun + 5, begun + 110]);
});

test('a withdrawal is carried out at once, with the offers before it; 64 offers do not wait either', () => {
  for (const [offers, withdrawals] of [
    [1, 1],
    [0, 1],
    [64, 0],
  ] as const) {
    const { clock, queue, flushedAt } = open();
    const begun = clock.now();
    batch(queue, 1);
    flushedAt.length = 0;
    batch(queue, offers, withdrawals);
    expect(flushedAt).toEqual([begun]);
    clock.advance(100);
    batch(queue, 0);
    expect(flushedAt).toEqual([begun]);
  }
});

test('no flush is left over where the kernel path has ended', () => {
  const { clock, queue, flushedAt } = open();
  batch(queue, 1);
  batch(queue, 1);
  queue.cancel();
  clock.advance(100);
  expect(flushedAt).toHaveLength(1);
});
