import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { threadTimeMs } from '../../src/io/thread-time.ts';
import { eventually } from './eventually.ts';
import { stopwatch } from './stopwatch.ts';

/** A program that uses one processor, and no other. */
function busy(): ChildProcess {
  const child = spawn('taskset', ['-c', '0', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test('the time of rest counts', () => {
  const watch = stopwatch();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  expect(watch()).toBeGreaterThan(99);
});

test('the time of own work counts', () => {
  const [watch, begun] = [stopwatch(), threadTimeMs()];
  while (threadTimeMs() < begun + 50);
  expect(watch()).toBeGreaterThan(49);
});

test('the time that other programs take from a process does not count', async () => {
  const [one] = Array.from({ length: 4 }, busy);
  await eventually(() => expect(one!.pid).toBeGreaterThan(0));
  const [watch, own, begun] = [stopwatch(() => [one!.pid!]), stopwatch(), performance.now()];
  await sleep(400);
  const wall = performance.now() - begun;
  // Its share is a quarter at most.
  expect(watch()).toBeLessThan(own() - wall / 2);
});
