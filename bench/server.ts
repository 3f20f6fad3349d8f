/**
 * The cost of a solicitation at a server: busy time of the whole machine for each that is answered, at a rate that all can answer. The null
 * server (null.bpf.c) sends every datagram back.
 */
import { fileURLToPath } from 'node:url';
import { Internet, SERVER_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace, Running } from '../src/lab/index.ts';
import { Answers } from './answers.ts';
import { BpfObject } from './bpf-object.ts';
import { setLinks } from './links.ts';
import { SERVER_COST, SERVER_RATE } from './result/names.ts';
import { alternate } from './row.ts';
import type { Row } from './row.ts';
import { SeatDrops } from './seat-drops.ts';
import { Together } from './together.ts';
import { startServer } from './variants.ts';

const SOLICIT = fileURLToPath(new URL('./solicit.js', import.meta.url));
/** Of 198.51.100.0/24, the address that asks, or the first of several. */
const FIRST = 100;
const SEATS = ['null', 'miredo', 'user', 'kernel'] as const;
type Seat = (typeof SEATS)[number];
/** Solicitations per second. */
const PACE = 60_000;
/** If the sender does not reach this share of the pace, it is the limit. */
const ENOUGH = 0.95;

export const server: Row = async (order) => {
  const { results, seconds } = order;
  await using all = new Together();
  const servers = new Map<Seat, AskedServer>();
  for (const seat of SEATS) servers.set(seat, all.use(await AskedServer.open(seat, seconds)));
  // A first time without a result: it compiles a program that is compiled while it runs, as on a server that has run for days.
  for (const seat of SEATS) await servers.get(seat)!.ask();
  const drops = SeatDrops.of(SEATS, order, (seat) => servers.get(seat)!.net.lab.hosts);
  await alternate(order, SEATS, async (seat) => {
    const { value, busy } = await drops.during(seat, () => servers.get(seat)!.ask());
    results.add(SERVER_COST, seat, (busy * 1e6) / value.answered);
    results.add(SERVER_RATE, seat, value.answered / value.sent);
    if (value.sent < ENOUGH * PACE * seconds) results.noteGenerators(SERVER_RATE, seat, 1, true);
  });
  drops.note('server');
};

/** How a server is asked. */
interface Asking {
  readonly workers?: number;
  /** Addresses that ask, in turn. */
  readonly sources?: number;
  /** Solicitations per second; Infinity: as many as the sender can. */
  readonly pace?: number;
}

export class AskedServer {
  readonly net: Internet;
  /** Undefined: the null server. */
  readonly program: Running | undefined;
  private readonly asker: Namespace;
  private readonly sender: Answers;
  private readonly seconds: number;

  private constructor(
    net: Internet,
    program: Running | undefined,
    asker: Namespace,
    sender: Answers,
    seconds: number,
  ) {
    this.net = net;
    this.program = program;
    this.asker = asker;
    this.sender = sender;
    this.seconds = seconds;
  }

  static async open(
    seat: Seat,
    seconds: number,
    { workers = 1, sources = 1, pace = PACE }: Asking = {},
  ): Promise<AskedServer> {
    const net = new Internet();
    try {
      const asker = net.lab.host('asker');
      const own = Array.from({ length: sources }, (_, i) => `198.51.100.${FIRST + i}`);
      net.attach(asker, 'wan', ...own);
      setLinks(net.lab.hosts, 'nic');
      const program = seat === 'null' ? attachNull(net.server) : await startServer(net, seat, workers);
      const args = [SOLICIT, own.join(), SERVER_ADDRESS, String(pace), String(seconds)];
      const solicit = asker.spawn(process.execPath, args);
      await solicit.waitFor(/ready/);
      countAnswers(asker);
      return new AskedServer(net, program, asker, new Answers(solicit, 'SIGUSR2', 'sent'), seconds);
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  async ask(): Promise<{ readonly sent: number; readonly answered: number }> {
    const before = answersAt(this.asker);
    const sent = Number(await this.sender.ask(this.seconds * 1_000 + 20_000));
    return { sent, answered: (await settled(this.asker)) - before };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.net[Symbol.asyncDispose]();
  }
}

/** Counts answers at the interface where they arrive, then drops them. */
function countAnswers(host: Namespace): void {
  host.nft(`
    table netdev bench {
      chain arrived {
        type filter hook ingress device "wan" priority 0; policy accept;
        udp sport 3544 counter drop
      }
    }`);
}

function answersAt(host: Namespace): number {
  return Number(/packets (\d+)/.exec(host.execute('nft', 'list', 'table', 'netdev', 'bench'))![1]);
}

async function settled(host: Namespace): Promise<number> {
  let last = -1;
  return await until(
    'quiet',
    () => {
      const now = answersAt(host);
      const quiet = now === last;
      last = now;
      return quiet ? now : undefined;
    },
    10_000,
    50,
  );
}

function attachNull(host: Namespace): undefined {
  using object = new BpfObject('null');
  host.execute('tc', 'qdisc', 'add', 'dev', 'wan', 'clsact');
  const from = ['obj', object.path, 'sec', 'tc'];
  host.execute('tc', 'filter', 'add', 'dev', 'wan', 'ingress', 'bpf', 'da', ...from);
}
