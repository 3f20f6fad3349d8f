/**
 * A server, a relay and a client on the user path with one worker and with two. A sender needs a processor, too, and a machine may have only two.
 *
 * - Relay and client are stopped while a burst is sent that waits in their queues (crowd-bursts.ts). Then the workers have all processors. Beside a sender
 *   two workers would read fewer packets at a time than one does, and one of them would lose packets while the sender has its processor. A burst has as
 *   many packets for each worker, because the begin and the end of a burst are no part of the rate under full load.
 * - For a server the time of its busiest thread for an answer of all says how much the workers would do on processors of their own. It is measured with the
 *   same load for each worker, because larger batches cost less.
 */
import { Crowd } from './crowd.ts';
import type { BurstOptions } from './crowd.ts';
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
import { whole } from './whole.ts';

const COUNTS = [1, 2] as const;
/** So many that each worker has about half of them. */
const SOURCES = 128;
/** Solicitations per second and worker. */
const PACE = 40_000;
/** A relay's clients are divided by a hash: of 1,024 a worker of two has 48 to 52 % in most cases, of 128 it would have 45 to 55 %. */
const CLIENTS = 1_024;
/** They are divided equally. */
const PEERS = 128;
/** In each second of a measurement. */
const BURSTS = 20;
/** For each worker: 15 to 20 ms' work. The buffer of one socket holds 3,600. */
const BURST_PACKETS = 2_560;
const SIZE = 1_280;
/**
 * The quotients of single alternations go from 1.5 to 2.6: a virtual machine is not equally fast at all times, and the slower worker ends a
 * burst.
 */
const TIMES_AS_MANY = 3;

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
      let before = threadTimes(paced.program!);
      const begin = () => void (before = threadTimes(paced.program!));
      const { value } = await watch.during(() => paced.ask(), begin);
      const busiest = busiestSince(before, paced.program!);
      results.add(workersCost(count), 'user', (busiest * 1e6) / value.answered);
      const most = await watch.during(() => full.ask());
      results.add(workersRate(count), 'user', most.value.answered / seconds);
    }
}

async function ofRelay(order: Order): Promise<void> {
  await ofCrowd(order, CLIENTS, (count) => Crowd.open('user', [], count), relayWorkersCost, relayWorkersRate);
}

/** A client with so many peers, each at an address of its own. */
async function ofClient(order: Order): Promise<void> {
  await ofCrowd(order, PEERS, (count) => Crowd.openClient(count), clientWorkersCost, clientWorkersRate);
}

type Name = (direction: Direction, workers: number) => string;

async function ofCrowd(
  { alternations: usual, seconds, results, say, watch, quick }: Order,
  clients: number,
  open: (count: number) => Promise<Crowd>,
  costOf: Name,
  rateOf: Name,
): Promise<void> {
  await using all = new Together();
  const alternations = quick ? usual : TIMES_AS_MANY * usual;
  const bursts: Omit<BurstOptions, 'packets'> = { clients, size: SIZE, times: BURSTS * seconds };
  const crowds = [];
  for (const count of COUNTS) crowds.push({ count, crowd: all.use(await open(count)) });
  for (let nth = 0; nth <= alternations; nth++)
    // the first time compiles the program
    for (const { count, crowd } of crowds)
      for (const direction of ['up', 'down'] as const) {
        say(`${nth} of ${alternations}: ${direction}, workers ${count}`);
        whole(await crowd.meet(0, clients), clients); // a client counts as heard for 30 s
        let before = threadTimes(crowd.relay);
        const begin = () => void (before = threadTimes(crowd.relay));
        const { value } = await watch.during(async () => {
          const crossing = await crowd.burst(direction, { ...bursts, packets: count * BURST_PACKETS });
          return whole(crossing, crossing.sent);
        }, begin);
        const busiest = busiestSince(before, crowd.relay);
        if (nth === 0) continue;
        results.add(costOf(direction, count), 'user', (busiest * 1e6) / value.arrived);
        results.add(rateOf(direction, count), 'user', value.arrived / value.seconds);
      }
}
