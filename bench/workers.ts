/**
 * A server on the user path with one worker and with two. The sender of the solicitations needs a processor, too: on a machine with two, the
 * answers per second say how well three threads share them. The time of the busiest thread for an answer of all says what the workers would do on
 * processors of their own. It is measured with the same load for each worker, because larger batches cost less.
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
/** Solicitations per second and worker. */
const PACE = 40_000;

export const workers: Row = async (order) => {
  const { alternations, seconds, results, say, watch } = order;
  await using all = new Together();
  const open = async (count: number, pace: number): Promise<AskedServer> => {
    const server = await AskedServer.open('user', seconds, { workers: count, sources: SOURCES, pace });
    all.use(server);
    await server.ask(); // compiles the program
    return server;
  };
  const servers = [];
  for (const count of COUNTS)
    servers.push({ count, paced: await open(count, count * PACE), full: await open(count, Infinity) });
  for (let nth = 1; nth <= alternations; nth++)
    for (const { count, paced, full } of servers) {
      say(`${nth} of ${alternations}: workers ${count}`);
      const before = threadTimes(paced.program!);
      const { value } = await watch.during(() => paced.ask());
      const busiest = busiestSince(before, paced.program!);
      results.add(workersCost(count), 'user', (busiest * 1e6) / value.answered);
      const most = await watch.during(() => full.ask());
      results.add(workersRate(count), 'user', most.value.answered / seconds);
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
