import { execFileSync } from 'node:child_process';
import koffi from 'koffi';
import { expect, onTestFinished, test } from 'vitest';
import { sys } from '../linux/libc.ts';
import { KeptTun } from './kept-tun.ts';
import { QUEUE_LENGTH } from './kernel-tunnel-host.ts';
import type { Clock } from './ports.ts';

const asRoot = { skip: process.getuid?.() !== 0 };
const dup = koffi.load('libc.so.6').func('int dup(int)') as (fd: number) => number;

test('the queue holds more while no process reads it, until a successor has read', asRoot, () => {
  const name = `kt${process.pid % 1_000_000}`;
  const queue = (): number =>
    Number(/qlen (\d+)/.exec(execFileSync('ip', ['link', 'show', name], { encoding: 'utf8' }))![1]);
  const timers: (() => void)[] = [];
  const clock = { now: () => 0, setTimer: (_at: number, fn: () => void) => (timers.push(fn), () => {}) };
  const first = new KeptTun(name, clock as unknown as Clock);
  const stored = dup(first.fd);
  onTestFinished(() => void sys.close(stored));
  first.close();
  expect(queue()).toBeGreaterThan(2 * QUEUE_LENGTH);

  const second = new KeptTun(name, clock as unknown as Clock, dup(stored));
  expect(queue()).toBeGreaterThan(2 * QUEUE_LENGTH);
  for (const timer of timers) timer();
  expect(queue()).toBe(QUEUE_LENGTH);
  second.close();
});
