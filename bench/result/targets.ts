/** The targets of the project, and whether the figures meet them. Each is judged by the median of the alternations. */
import type { Direction } from '../iperf.ts';
import type { Seat } from '../seats.ts';
import {
  GROWTH_STALL,
  NEW_PEERS_RATE,
  SERVER_COST,
  SERVER_DRIVER_COST,
  SERVER_DRIVER_PROGRAM,
  SERVER_PROGRAM,
  firstReply,
  peersCost,
  relayCost,
  clientWorkersRate,
  relayWorkersRate,
  roundTrip,
  tcpCost,
  tcpRate,
  udpRate,
  workersCost,
} from './names.ts';
import type { Results } from './results.ts';
import { differences, median, ratios } from './statistics.ts';
import { short } from './tables.ts';
import type { Table } from './tables.ts';

type Measure = (results: Results) => number;

export interface Target {
  readonly what: string;
  readonly asked: number;
  /** Whether the figure has to be at most or at least {@link asked}. */
  readonly bound: 'most' | 'least';
  readonly measure: Measure;
}

const ratio =
  (figure: string, a: Seat, b: Seat): Measure =>
  (results) =>
    median(ratios(results.values(figure, a), results.values(figure, b)));

/** On the user path. */
const twoOverOne =
  (rateOf: (workers: number) => string): Measure =>
  (results) =>
    median(ratios(results.values(rateOf(2), 'user'), results.values(rateOf(1), 'user')));

/** What the seat adds to the cost of the null seat. */
const over = (results: Results, figure: string, seat: Seat): number[] =>
  differences(results.values(figure, seat), results.values(figure, 'null'));

/** The medians of the costs that two seats add to the null seat, one divided by the other; Infinity where the second adds none that can be seen. */
const ratioOver =
  (figure: string, a: Seat, b: Seat): Measure =>
  (results) => {
    const [above, below] = [a, b].map((seat) => median(over(results, figure, seat)));
    return below! <= 0 ? Infinity : above! / below!;
  };

const most = (what: string, asked: number, measure: Measure): Target => ({
  what,
  asked,
  bound: 'most',
  measure,
});
const least = (what: string, asked: number, measure: Measure): Target => ({
  what,
  asked,
  bound: 'least',
  measure,
});

const bothWays = (make: (direction: Direction) => Target[]): Target[] =>
  (['up', 'down'] as const).flatMap(make);

export const TARGETS: readonly Target[] = [
  ...bothWays((direction) => [
    most(
      `us a segment, TCP ${direction}: kernel path / plain IPv4`,
      direction === 'up' ? 1.05 : 1.08,
      ratio(tcpCost('nic', direction), 'kernel', 'plain'),
    ),
    least(
      `TCP ${direction}: kernel path / plain IPv4`,
      1,
      ratio(tcpRate('nic', direction), 'kernel', 'plain'),
    ),
    least(`TCP ${direction}: kernel path / user path`, 1, ratio(tcpRate('nic', direction), 'kernel', 'user')),
    most(
      `us a segment, TCP ${direction}: user path / plain IPv4`,
      1.2,
      ratio(tcpCost('nic', direction), 'user', 'plain'),
    ),
    least(
      `TCP ${direction}: user path / plain IPv4`,
      direction === 'up' ? 1.15 : 1.1,
      ratio(tcpRate('nic', direction), 'user', 'plain'),
    ),
  ]),
  least('UDP, 100 octets: kernel path / plain IPv4', 0.95, ratio(udpRate(100), 'kernel', 'plain')),
  least('UDP, 100 octets: user path / plain IPv4', 0.85, ratio(udpRate(100), 'user', 'plain')),
  ...bothWays((direction) => [
    most(
      `relay, us a packet over a null hop, ${direction}: kernel path / miredo`,
      0.1,
      ratioOver(relayCost(direction), 'kernel', 'miredo'),
    ),
  ]),
  most('round trip, warm, p50: user path / miredo', 1.2, ratio(roundTrip('warm', 'p50'), 'user', 'miredo')),
  ...(['loaded up', 'loaded down'] as const).flatMap((kind) =>
    (['p50', 'p99'] as const).map((share) =>
      most(
        `round trip, ${kind}, ${share}: user path / miredo`,
        0.8,
        ratio(roundTrip(kind, share), 'user', 'miredo'),
      ),
    ),
  ),
  ...(['fromClient', 'fromNative'] as const).flatMap((from) =>
    (['user', 'kernel'] as const).map((seat) =>
      most(`${firstReply(from)}: ${seat} path / miredo`, 2, ratio(firstReply(from), seat, 'miredo')),
    ),
  ),
  least(
    'server, us an answer over a null server: miredo / kernel path',
    10,
    ratioOver(SERVER_COST, 'miredo', 'kernel'),
  ),
  least(
    'server, answers of all for a second of the busiest thread: 2 workers / 1 (extrapolated to processors of their own)',
    1.7,
    (results) =>
      median(ratios(results.values(workersCost(1), 'user'), results.values(workersCost(2), 'user'))),
  ),
  ...(['up', 'down'] as const).flatMap((direction) => [
    least(
      `relay, packets/s ${direction} while nothing is sent: 2 workers / 1`,
      1.7,
      twoOverOne((workers) => relayWorkersRate(direction, workers)),
    ),
    least(
      `client, packets/s ${direction === 'up' ? 'from' : 'to'} peers while nothing is sent: 2 workers / 1`,
      1.7,
      twoOverOne((workers) => clientWorkersRate(direction, workers)),
    ),
  ]),
  least(
    'server in the driver, us an answer over a null server there: miredo / kernel path',
    10,
    ratioOver(SERVER_DRIVER_COST, 'miredo', 'kernel'),
  ),
  most('server program minus null program, ns', 150, (results) =>
    median(over(results, SERVER_PROGRAM, 'kernel')),
  ),
  most('server program minus null program, in the driver, ns', 150, (results) =>
    median(over(results, SERVER_DRIVER_PROGRAM, 'kernel')),
  ),
  least('new peers/s: user path / miredo', 1.3, ratio(NEW_PEERS_RATE, 'user', 'miredo')),
  least('new peers/s: kernel path / miredo', 1.3, ratio(NEW_PEERS_RATE, 'kernel', 'miredo')),
  ...bothWays((direction) => [
    most(`us added to a packet ${direction} by 1000000 peers, kernel path`, 0.3, (results) =>
      median(
        differences(
          results.values(peersCost(direction, 1_000_000), 'kernel'),
          results.values(peersCost(direction, 1), 'kernel'),
        ),
      ),
    ),
  ]),
  ...(['user', 'kernel'] as const).map((seat) =>
    most(`longest stall while a relay grows to 1000000 peers, ms: ${seat} path`, 5, (results) =>
      median(results.values(GROWTH_STALL, seat)),
    ),
  ),
];

/** The targets that are missed or were not measured, those missed by most first, and those that are met. */
export function asJudgement(results: Results): { readonly missed: Table; readonly met: Table } {
  const judged = TARGETS.map((target) => ({ target, value: target.measure(results) })).map((one) => ({
    ...one,
    gap: gapOf(one.target, one.value),
  }));
  const rowsOf = (some: typeof judged): Table =>
    some.length === 0
      ? [['none']]
      : [
          ['target', 'asked', 'here'],
          ...some.map(({ target, value }) => [
            target.what,
            `at ${target.bound} ${target.asked}`,
            textOf(value),
          ]),
        ];
  const missed = judged.filter(({ gap }) => !(gap <= 1)).sort((a, b) => b.gap - a.gap);
  return { missed: rowsOf(missed), met: rowsOf(judged.filter(({ gap }) => gap <= 1)) };
}

function textOf(value: number): string {
  if (value === Infinity) return 'the difference is too small to be seen';
  return Number.isFinite(value) ? short(value) : 'not measured';
}

/** Above 1: missed, by this factor. */
export function gapOf({ asked, bound }: Pick<Target, 'asked' | 'bound'>, value: number): number {
  if (value === Infinity && bound === 'least') return 0;
  if (!Number.isFinite(value)) return Infinity;
  return bound === 'most' ? value / asked : value <= 0 ? Infinity : asked / value;
}
