/** Questions of root to a daemon that is attacked, and the time that the daemon works. */
import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers/promises';
import { ask } from '../../src/control/control-client.ts';
import type { Running } from '../../src/lab/index.ts';

const [QUESTIONS, EVERY_MS] = [20, 100];

/** Asks 20 questions by the control protocol, one each 100 ms; returns the time to each answer, in ms. */
export async function askAsRoot(path: string): Promise<number[]> {
  const times: number[] = [];
  for await (const _ of setInterval(EVERY_MS)) {
    const begun = performance.now();
    await ask(path, { command: 'status' });
    times.push(performance.now() - begun);
    if (times.length === QUESTIONS) break;
  }
  return times;
}

/** Milliseconds of processor time so far. */
export function workOf(program: Running): number {
  const fields = readFileSync(`/proc/${program.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
