import { expect, test } from 'vitest';
import { blocksDuring, faultOfAll, tooLong } from './blocks.ts';
import type { Block } from './blocks.ts';
import { threadTimeMs } from '../../src/io/thread-time.ts';

/** Of this thread: V8 compiles and collects in others, which would count in the process's time. */
function work(ms: number): void {
  const end = threadTimeMs() + ms;
  while (threadTimeMs() < end);
}

test('turns are measured one by one', async () => {
  const requests = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      work(i % 20 === 10 ? 12 : 1.5);
    }
  };
  const blocks = await blocksDuring(requests());
  expect(blocks.length).toBeGreaterThan(40);
  expect(blocks.filter(({ ms }) => ms > 11)).toHaveLength(2);
});

test('a block in one request of six is found, and a very long one among all', () => {
  const blocks = (ms: number, among: number): Block[] =>
    Array.from({ length: 120 }, (_, i) => ({ ms: i % among === 0 ? ms : 3, hasCollected: true }));
  expect(tooLong(blocks(7, 120), 12, 5)).toBeUndefined();
  expect(tooLong(blocks(7, 60), 12, 5)).toBe(
    '7.00 ms with garbage collection, 7.00 ms with garbage collection; of 120 turns',
  );
  expect(tooLong(blocks(21, 120), 12, 5)).toBe('21.00 ms with garbage collection; of 120 turns');
});

test('a fault of each round is a fault; one of some rounds is none', async () => {
  const rounds = (...faults: (string | undefined)[]) => faultOfAll(faults.length, async () => faults.shift());
  expect(await rounds('5 ms', '6 ms')).toBe('5 ms\n6 ms');
  expect(await rounds('5 ms', undefined, '6 ms')).toBeUndefined();
});
