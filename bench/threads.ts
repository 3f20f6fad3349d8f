import { readFileSync, readdirSync } from 'node:fs';
import type { Running } from '../src/lab/index.ts';

/** Processor seconds of each thread of a program. */
export function threadTimes({ pid }: Running): Map<string, number> {
  const folder = `/proc/${pid}/task`;
  const nanoseconds = (thread: string): number =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return new Map(readdirSync(folder).map((thread) => [thread, nanoseconds(thread) / 1e9]));
}

/** Processor seconds of the thread that has used most since then. */
export function busiestSince(before: ReadonlyMap<string, number>, program: Running): number {
  return Math.max(...[...threadTimes(program)].map(([thread, time]) => time - (before.get(thread) ?? 0)));
}
