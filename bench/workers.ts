/**
 * A server on the user path with one worker and with two. The sender of the solicitations needs a processor, too: on a machine with two the
 * answers per second say how well three threads share them. The time of the busiest thread for an answer of all says what the workers would do on
 * processors of their own.
 */
import { readFileSync, readdirSync } from 'node:fs';
import type { Running } from '../src/lab/index.ts';
import { workersCost, workersRate } from './result/names.ts';
import type { Row } from './row.ts';
import { AskedServer } from './server.ts';
import { Together } from './together.ts';

const COUNTS = [1, 2] as const;
/** So many that each worker has about half of them. */
const SOURCES = 128;

export const workers: Row = async ({ alternations, seconds, results, say, watch }) => {
  await using all = new Together();
  const servers = new Map<number, AskedServer>();
  for (const count of COUNTS) {
    const asking = { workers: count, sources: SOURCES, pace: Infinity };
    servers.set(count, all.use(await AskedServer.open('user', seconds, asking)));
  }
  for (const count of COUNTS) await servers.get(count)!.ask(); // compiles the program
  for (let nth = 1; nth <= alternations; nth++)
    for (const count of COUNTS) {
      say(`${nth} of ${alternations}: workers ${count}`);
      const server = servers.get(count)!;
      const before = threadTimes(server.program!);
      const { value } = await watch.during(() => server.ask());
      const busiest = busiestSince(before, server.program!);
      results.add(workersRate(count), 'user', value.answered / seconds);
      results.add(workersCost(count), 'user', (busiest * 1e6) / value.answered);
    }
};

/** Processor seconds of each thread of a program. */
function threadTimes({ pid }: Running): Map<string, number> {
  const folder = `/proc/${pid}/task`;
  const nanoseconds = (thread: string): number =>
    Number(readFileSync(`${folder}/${thread}/schedstat`, 'utf8').split(' ')[0]);
  return new Map(readdirSync(folder).map((thread) => [thread, nanoseconds(thread) / 1e9]));
}

function busiestSince(before: ReadonlyMap<string, number>, program: Running): number {
  return Math.max(...[...threadTimes(program)].map(([thread, time]) => time - (before.get(thread) ?? 0)));
}
