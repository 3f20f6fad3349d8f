/**
 * Plays a crowd of Teredo clients and a native host in one namespace. Arguments: the object of crowd.bpf.c, and a file. At SIGUSR2 it reads
 * a task from the file, does it with threads (crowd-worker.ts), and prints how many packets were sent and arrived, and the seconds.
 */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { AT_CLIENTS, AT_NATIVE, arrivalCounter, rest, watchArrivals } from './crowd-counter.ts';
import type { Bursts } from './crowd-bursts.ts';
import type { Load, Meeting, Place, Sent, Share } from './crowd-worker.ts';

/** A task of the crowd, for this many threads. */
export type Task = (Meeting | Load | Bursts) & { readonly generators: number };

export interface Crossing {
  readonly sent: number;
  readonly arrived: number;
  readonly seconds: number;
}

const [object, file] = process.argv.slice(2);
const arrivals = watchArrivals(object!);
const workers: Worker[] = [];
setInterval(() => {}, 60_000); // keeps the process alive

process.on('SIGUSR2', () => {
  void perform(JSON.parse(readFileSync(file!, 'utf8')) as Task & Place).then((crossing) => {
    process.stdout.write(`done ${JSON.stringify(crossing)}\n`);
  });
});
process.stdout.write('ready\n');

async function perform(task: Task & Place): Promise<Crossing> {
  const isUp = task.kind !== 'meet' && (task.way === 'up' || task.way === 'plain-up');
  const { count } = arrivalCounter(arrivals, isUp ? AT_NATIVE : AT_CLIENTS);
  const before = count();
  const of = task.generators;
  const all = await Promise.all(Array.from({ length: of }, (_, nth) => ask(nth, { ...task, nth, of })));
  settle(count);
  return {
    sent: all.reduce((sum, { sent }) => sum + sent, 0),
    arrived: count() - before,
    seconds: Math.max(...all.map(({ took }) => took)),
  };
}

function ask(nth: number, share: Share): Promise<Sent> {
  const worker = (workers[nth] ??= new Worker(new URL('./crowd-worker.js', import.meta.url), {
    workerData: { arrivals },
  }));
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(share);
  });
}

/** Waits for packets that are still under way. */
function settle(count: () => number): void {
  let arrived = -1;
  for (let now = count(); now !== arrived; now = count()) {
    arrived = now;
    for (let i = 0; i < 100; i++) rest();
  }
}
