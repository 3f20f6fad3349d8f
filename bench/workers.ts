/**
 * A server, a relay and a client on the user path with one worker and with two. The sender needs a processor, too: on a machine with two, the answers or
 * packets per second say how well three threads share them. The time of the busiest thread for an answer or packet of all says what the workers would
 * do on processors of their own. It is measured with the same load for each worker, because larger batches cost less.
 */
import { Crowd } from './crowd.ts';
import type { Direction } from './iperf.ts';
import {
  clientWorkersCost,
  clientWorkersRate,
  relayWorkersCost,
  relayWorkersRate,
  workersCost,
  workersRate,
} from './result/names.ts';
import type { Order, Row } from './row.ts';
import { AskedServer } from './server.ts';
import { busiestSince, threadTimes } from './threads.ts';
import { Together } from './together.ts';

const COUNTS = [1, 2] as const;
/** So many that each worker has about half of them. */
const SOURCES = 128;
/** Solicitations per second and worker. */
const PACE = 40_000;
/** Clients of the relay, and peers of the client. */
const CLIENTS = 128;
/** Packets per second and worker of relay and client. */
const RELAY_PACE = 30_000;
const SIZE = 1_280;

export const workers: Row = async (order) => {
  await ofServer(order);
  await ofRelay(order);
  await ofClient(order);
};

async function ofServer(order: Order): Promise<void> {
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
}

async function ofRelay(order: Order): Promise<void> {
  await ofCrowd(order, (count) => Crowd.open('user', [], count), relayWorkersCost, relayWorkersRate);
}

/** A client with so many peers, each at an address of its own. */
async function ofClient(order: Order): Promise<void> {
  await ofCrowd(order, (count) => Crowd.openClient(count), clientWorkersCost, clientWorkersRate);
}

type Name = (direction: Direction, workers: number) => string;

async function ofCrowd(
  { alternations, seconds, results, say, watch }: Order,
  open: (count: number) => Promise<Crowd>,
  costOf: Name,
  rateOf: Name,
): Promise<void> {
  await using all = new Together();
  const crowds = [];
  for (const count of COUNTS) crowds.push({ count, crowd: all.use(await open(count)) });
  for (let nth = 0; nth <= alternations; nth++)
    // the first time compiles the program
    for (const { count, crowd } of crowds)
      for (const direction of ['up', 'down'] as const) {
        say(`${nth} of ${alternations}: ${direction}, workers ${count}`);
        await crowd.meet(0, CLIENTS); // a client counts as heard for 30 s
        const before = threadTimes(crowd.relay);
        const { value: paced } = await watch.during(() => load(crowd, direction, count * RELAY_PACE));
        const busiest = busiestSince(before, crowd.relay);
        const { value: full } = await watch.during(() => load(crowd, direction, 0));
        if (nth === 0) continue;
        results.add(costOf(direction, count), 'user', (busiest * 1e6) / paced.arrived);
        results.add(rateOf(direction, count), 'user', full.arrived / full.seconds);
      }

  function load(crowd: Crowd, direction: Direction, perSecond: number) {
    return crowd.load(direction, { seconds, clients: CLIENTS, size: SIZE, perSecond });
  }
}
