import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { threadTimeMs } from '../../src/io/thread-time.ts';
import { eventually } from './eventually.ts';
import { stopwatch, timeToEnd } from './stopwatch.ts';

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

test('waits of several processes overlap: they are not left out twice', async () => {
  const [one, other] = Array.from({ length: 4 }, busy);
  await eventually(() => expect(other!.pid).toBeGreaterThan(0));
  const watch = stopwatch(() => [one!.pid!, other!.pid!]);
  const ran = [one!, other!].map(runTimeOf);
  await sleep(1_000);
  const both = [one!, other!].map((process, i) => runTimeOf(process) - ran[i]!);
  expect(watch()).toBeGreaterThanOrEqual(Math.max(...both));
});

test.for([
  ['works', 'while time.thread_time() < 0.4: pass'],
  ['rests', 'time.sleep(0.4)'],
])(
  'a process that %s for 400 ms, while others take its processor: it has taken them',
  async ([, program]) => {
    Array.from({ length: 3 }, busy);
    const script = `import subprocess, time\nchild = subprocess.Popen(['sh', '-c', 'while :; do :; done'])\n${program}\nchild.kill()`;
    const child = spawn('taskset', ['-c', '0', 'python3', '-c', script], { stdio: 'ignore' });
    const ms = await timeToEnd(child.pid!, once(child, 'exit'));
    expect(ms).toBeGreaterThan(380);
    // Its start, and what it has waited since the last look.
    expect(ms).toBeLessThan(1_500);
  },
);

test('the waits of this thread, while a process rests, count as time of the process', async () => {
  const others = Array.from({ length: 8 }, () => spawn('sh', ['-c', 'while :; do :; done']));
  onTestFinished(() => others.forEach((other) => other.kill('SIGKILL')));
  const resting = spawn('sleep', ['100']);
  onTestFinished(() => void resting.kill());
  await sleep(200);
  const [begun, watch, own] = [performance.now(), stopwatch(() => [resting.pid!]), threadTimeMs()];
  while (threadTimeMs() < own + 100);
  expect(watch()).toBeGreaterThan(performance.now() - begun - 20);
});

/** ms. Documentation/scheduler/sched-stats.rst */
function runTimeOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}
