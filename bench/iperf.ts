/** Traffic of iperf3 from the client to the native host, or back, with several processes at once. */
import type { Namespace, Running } from '../src/lab/index.ts';
import { Again } from './machine/watch.ts';

export type Direction = 'up' | 'down';

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_received?: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum?: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
  };
}

export interface TcpTraffic {
  readonly megabits: number;
  readonly octets: number;
}

export interface UdpTraffic {
  readonly perSecond: number;
  readonly arrived: number;
}

/** Where the traffic goes. */
interface Way {
  readonly client: Namespace;
  readonly native: Namespace;
  /** The native host's address. */
  readonly target: string;
}

const FIRST_PORT = 5_201;
/** A generator that has lost its connection waits for 30 s or longer. It is ended when it is this late. */
const LATE_MS = 10_000;

export class Iperf {
  private readonly way: Way;
  private readonly servers: Running[] = [];

  constructor(way: Way) {
    this.way = way;
  }

  /** Starts as many receivers as there will be generators. */
  async prepare(generators: number): Promise<void> {
    while (this.servers.length < generators) {
      const port = String(FIRST_PORT + this.servers.length);
      const server = this.way.native.spawn('iperf3', ['-s', '-p', port, '--forceflush']);
      this.servers.push(server);
      await server.waitFor(/Server listening/);
    }
  }

  async tcp(direction: Direction, generators: number, seconds: number): Promise<TcpTraffic> {
    const reports = await this.run(generators, seconds, direction === 'down' ? ['--reverse'] : []);
    const ends = reports.map(({ end }) => end.sum_received!);
    return {
      megabits: sum(ends.map(({ bits_per_second: bits }) => bits)) / 1e6,
      octets: sum(ends.map(({ bytes }) => bytes)),
    };
  }

  /** Datagrams of `size` octets, as many as the client can send. */
  async udp(size: number, generators: number, seconds: number): Promise<UdpTraffic> {
    const reports = await this.run(generators, seconds, ['-u', '-b', '0', '-l', String(size)]);
    const arrived = reports.map(({ end }) => end.sum!.packets - end.sum!.lost_packets);
    return {
      arrived: sum(arrived),
      perSecond: sum(arrived.map((count, i) => count / reports[i]!.end.sum!.seconds)),
    };
  }

  /** In a flood of datagrams iperf3 sometimes loses its own connection; it is then tried again, with new receivers. */
  private async run(generators: number, seconds: number, args: readonly string[]): Promise<IperfReport[]> {
    const all = this.servers.slice(0, generators).map(async (_, i) => {
      const where = ['-c', this.way.target, '-p', String(FIRST_PORT + i)];
      const running = this.way.client.spawn('iperf3', [...where, '-t', String(seconds), '-J', ...args]);
      const late = setTimeout(() => void running.stop(), seconds * 1_000 + LATE_MS);
      await running.exited;
      clearTimeout(late);
      return parse(running.stdout);
    });
    const reports = await Promise.all(all);
    const broken = reports.find(
      ({ error, end }) => error !== undefined || (end.sum ?? end.sum_received) === undefined,
    );
    if (broken === undefined) return reports;
    await Promise.all(this.servers.splice(0).map((server) => server.stop()));
    await this.prepare(generators);
    throw new Again(`iperf3: ${broken.error ?? 'no result'}`);
  }
}

function parse(text: string): IperfReport {
  try {
    return JSON.parse(text) as IperfReport;
  } catch {
    return { error: `no JSON: ${text.slice(0, 200)}`, end: {} };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
