import { busySeconds } from './processor-time.ts';
import type { World } from './world.ts';

export type Direction = 'up' | 'down';

export interface TcpResult {
  readonly megabits: number;
  /** Microseconds of all processors for each segment that arrived. */
  readonly microseconds: number;
}

interface Report {
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum?: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
  };
}

const SEGMENT = 1_220;

/** TCP from the client to the native host, or back. */
export async function measureTcp(
  world: World,
  direction: Direction,
  streams: number,
  seconds: number,
): Promise<TcpResult> {
  const before = busySeconds();
  const args = ['-O', '1', '-P', String(streams), ...(direction === 'down' ? ['--reverse'] : [])];
  const { end } = await iperf(world, seconds, args);
  const { bits_per_second: bits, bytes } = end.sum_received!;
  return {
    megabits: bits / 1e6,
    microseconds: ((busySeconds() - before) * 1e6) / (bytes / SEGMENT),
  };
}

/** Datagrams of `size` octets that arrive per second, when the client sends as many as it can. */
export async function measureUdp(world: World, size: number, seconds: number): Promise<number> {
  const { end } = await iperf(world, seconds, ['-u', '-b', '0', '-l', String(size)]);
  const { packets, lost_packets: lost, seconds: took } = end.sum!;
  return (packets - lost) / took;
}

async function iperf(world: World, seconds: number, args: readonly string[]): Promise<Report> {
  const listening = world.native.spawn('iperf3', ['-s', '-1', '--forceflush']);
  try {
    await listening.waitFor(/Server listening/);
    const all = ['-c', world.target, '-t', String(seconds), '-J', ...args];
    const running = world.client.spawn('iperf3', all);
    if ((await running.exited) !== 0) throw new Error(`iperf3 failed: ${running.output}`);
    return JSON.parse(running.stdout) as Report;
  } finally {
    await listening.stop();
  }
}
