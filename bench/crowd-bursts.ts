/**
 * Measures how fast a program handles packets that wait in its queues. The program is stopped (SIGSTOP), a burst of packets is sent, and the program
 * runs again. The time from this moment to the arrival of the last packet counts. Meanwhile nothing is sent. So the sender takes no processor from the program,
 * and all threads of the program have enough to do.
 */
import { readFileSync } from 'node:fs';
import { rest } from './crowd-counter.ts';
import type { ArrivalCounter } from './crowd-counter.ts';
import { BURST } from './crowd-packets.ts';
import type { Way } from './crowd-packets.ts';

/** Packets of these clients in turn. */
export interface Bursts {
  readonly kind: 'bursts';
  readonly way: Way;
  readonly clients: number;
  readonly size: number;
  /** Of each burst. They have to fit into the program's queues. */
  readonly packets: number;
  readonly times: number;
  /** The number of the program's process. */
  readonly program: number;
}

/** After this time without an arrival, packets that have not arrived are lost. Longer than any pause of the program, which counts as its time. */
const PATIENCE_MS = 200;
/** Between looks at the arrivals. A look takes a processor, and two workers need both: with looks every 2 ms the quotient of two and one was 0 to 5 % smaller. */
const LOOK_MS = 10;

/** `sendSome`: sends {@link BURST} packets. Returns the seconds that the program took: for each burst, until its last arrival. */
export function measureBursts(
  { packets, times, program }: Bursts,
  sendSome: () => void,
  arrivals: ArrivalCounter,
): { readonly sent: number; readonly took: number } {
  let [sent, took] = [0, 0];
  for (let nth = 0; nth < times; nth++) {
    const before = arrivals.count();
    let queued = 0;
    const begun = stoppedWhile(program, () => {
      for (; queued < packets; queued += BURST) {
        sendSome();
        rest(); // the kernel takes them to the queues
      }
    });
    waitFor(before + queued, arrivals);
    took += Math.max(0, Number(arrivals.lastAt() - begun) / 1e9);
    sent += queued;
  }
  return { sent, took };
}

/** Returns when the program went on. */
function stoppedWhile(program: number, work: () => void): bigint {
  let end = 0n;
  process.kill(program, 'SIGSTOP');
  try {
    while (!isStopped(program)) rest();
    work();
  } finally {
    end = process.hrtime.bigint(); // before the program can take this thread's processor
    process.kill(program, 'SIGCONT');
  }
  return end;
}

function isStopped(program: number): boolean {
  return readFileSync(`/proc/${program}/stat`, 'utf8').split(') ')[1]!.startsWith('T');
}

function waitFor(all: number, arrivals: ArrivalCounter): void {
  let [seen, progress] = [-1, performance.now()];
  while (seen < all && performance.now() - progress < PATIENCE_MS) {
    rest(LOOK_MS);
    const count = arrivals.count();
    if (count !== seen) [seen, progress] = [count, performance.now()];
  }
}
