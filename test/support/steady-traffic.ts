import { fileURLToPath } from 'node:url';
import { until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';

const SCRIPT = fileURLToPath(new URL('steady-datagrams.mjs', import.meta.url));
const PORT = '9010';

/** Traffic flows if of this many consecutive packets no more than this are lost. */
const FLOWING = 50;
const MOST_LOST = 1;

/** Packets every 10 ms, all with a number. */
export type Kind = 'datagrams' | 'pings';

interface Arrival {
  /** By the clock of `Date.now()`. */
  readonly at: number;
  readonly number: number;
}

export interface Losses {
  /** Between two arrivals. */
  readonly longestPauseMs: number;
  readonly lost: number;
}

/** The packets that arrive at a host; every 10 ms one is sent: datagrams of the other host, or answers to its own pings. */
export class SteadyTraffic {
  private readonly arrivals: Arrival[] = [];

  private constructor(running: Running) {
    running.child.stdout!.on('data', (text: string) => {
      for (const [, seconds, number] of text.matchAll(/^\[([\d.]+)\].*seq=(\d+)/gm))
        this.arrivals.push({ at: 1_000 * Number(seconds), number: Number(number) });
    });
  }

  /** Begins in both directions between two hosts; resolves once it flows in both. */
  static async between(
    kind: Kind,
    [a, addressOfA]: readonly [Namespace, string],
    [b, addressOfB]: readonly [Namespace, string],
  ): Promise<readonly [SteadyTraffic, SteadyTraffic]> {
    const start = (host: Namespace, to: string): SteadyTraffic =>
      new SteadyTraffic(
        kind === 'pings'
          ? host.spawn('ping', ['-n', '-D', '-i', '0.01', to])
          : host.spawn(process.execPath, [SCRIPT, to, PORT]),
      );
    const both = [start(a, addressOfB), start(b, addressOfA)] as const;
    for (const traffic of both) await traffic.flowsFrom(0);
    return both;
  }

  /** Of the packets that were to arrive from `since` to now. */
  lossesSince(since: number): Losses {
    const first = this.arrivals.findLastIndex(({ at }) => at < since);
    const late = this.arrivals.slice(Math.max(first, 0));
    const pauses = late.slice(1).map(({ at }, i) => at - late[i]!.at);
    const numbers = new Set(late.map(({ number }) => number));
    return {
      longestPauseMs: Math.max(0, ...pauses),
      lost: Math.max(...numbers) - Math.min(...numbers) + 1 - numbers.size,
    };
  }

  /** Time (ms) from `since` to the first packet after which nearly none is lost. Rejects if there is none within 20 s. */
  async flowsFrom(since: number): Promise<number> {
    return await until(
      'traffic that flows',
      () => {
        const late = this.arrivals.filter(({ at }) => at >= since);
        const begun = late.find((_, i) => isUnbroken(late, i));
        return begun && begun.at - since;
      },
      20_000,
    );
  }
}

function isUnbroken(arrivals: readonly Arrival[], from: number): boolean {
  const first = arrivals[from]!.number;
  const numbers = new Set<number>();
  for (const { number } of arrivals.slice(from, from + 2 * FLOWING))
    if (number >= first && number < first + FLOWING) numbers.add(number);
  return numbers.size >= FLOWING - MOST_LOST;
}
