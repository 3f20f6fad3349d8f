/**
 * The cost of a solicitation at a server: busy time of the whole machine for each that is answered, at a rate that all can answer. The null
 * server (null.bpf.c) sends every datagram back. Measured twice: with programs at tc, and in the driver, where the null server is, too.
 */
import { fileURLToPath } from 'node:url';
import { Internet, SERVER_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace, Running } from '../src/lab/index.ts';
import { Answers } from './answers.ts';
import { BpfObject } from './bpf-object.ts';
import { setLinks } from './links.ts';
import { passInDriver } from '../test/support/passing-xdp.ts';
import {
  SERVER_COST,
  SERVER_DRIVER_COST,
  SERVER_DRIVER_RATE,
  SERVER_DRIVER_SHARE,
  SERVER_RATE,
} from './result/names.ts';
import { alternate } from './row.ts';
import type { Order, Row } from './row.ts';
import { SeatDrops } from './seat-drops.ts';
import { Together } from './together.ts';
import { kernelCounters, startServer } from './variants.ts';

const SOLICIT = fileURLToPath(new URL('./solicit.js', import.meta.url));
/** Of 198.51.100.0/24, the address that asks, or the first of several. */
const FIRST = 100;
/** Of the asker, reached by its other address. */
const BEHIND_GATEWAY = '9.9.9.9';
const SEATS = ['null', 'miredo', 'user', 'kernel'] as const;
type Seat = (typeof SEATS)[number];
/** Solicitations per second. */
const PACE = 60_000;
/** If the sender does not reach this share of the pace, it is the limit. */
const ENOUGH = 0.95;

interface Place {
  readonly name: string;
  readonly cost: string;
  readonly rate: string;
  readonly seats: readonly Seat[];
  readonly inDriver: boolean;
}
const PLACES: readonly Place[] = [
  { name: 'server', cost: SERVER_COST, rate: SERVER_RATE, seats: SEATS, inDriver: false },
  {
    name: 'server in the driver',
    cost: SERVER_DRIVER_COST,
    rate: SERVER_DRIVER_RATE,
    seats: ['null', 'miredo', 'kernel'],
    inDriver: true,
  },
];

export const server: Row = async (order) => {
  for (const place of PLACES) await measure(order, place);
};

async function measure(order: Order, { name, cost, rate, seats, inDriver }: Place): Promise<void> {
  const { results, seconds } = order;
  await using all = new Together();
  const servers = new Map<Seat, AskedServer>();
  for (const seat of seats) servers.set(seat, all.use(await AskedServer.open(seat, seconds, { inDriver })));
  // A first time without a result: it compiles a program that is compiled while it runs, as on a server that has run for days.
  for (const seat of seats) await servers.get(seat)!.ask();
  const drops = SeatDrops.of(seats, order, (seat) => servers.get(seat)!.net.lab.hosts);
  await alternate(order, seats, async (seat) => {
    const asked = servers.get(seat)!;
    let before = 0;
    const begin = () => {
      if (inDriver && seat === 'kernel') before = answeredInDriver(asked.net.server);
    };
    const { value, busy } = await drops.during(seat, () => asked.ask(), begin);
    results.add(cost, seat, (busy * 1e6) / value.answered);
    results.add(rate, seat, value.answered / value.sent);
    if (inDriver && seat === 'kernel') {
      const answers = answeredInDriver(asked.net.server) - before;
      results.add(SERVER_DRIVER_SHARE, seat, answers / value.answered);
    }
    if (value.sent < ENOUGH * PACE * seconds) results.noteGenerators(rate, seat, 1, true);
  });
  drops.note(name);
}

/** How a server is asked. */
interface Asking {
  readonly workers?: number;
  /** Addresses that ask, in turn. */
  readonly sources?: number;
  /** Solicitations per second; Infinity: as many as the sender can. */
  readonly pace?: number;
  /** Whether null server and kernel path are in the driver. */
  readonly inDriver?: boolean;
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
    { workers = 1, sources = 1, pace = PACE, inDriver = false }: Asking = {},
  ): Promise<AskedServer> {
    const net = new Internet();
    try {
      const asker = net.lab.host('asker');
      const own = Array.from({ length: sources }, (_, i) => `198.51.100.${FIRST + i}`);
      net.attach(asker, 'wan', ...own);
      setLinks(net.lab.hosts, 'nic');
      if (inDriver) becomeGateway(net, asker, own[0]!);
      const xdp = inDriver && seat === 'kernel' ? ['--xdp', 'on'] : [];
      const options = ['--workers', String(workers), ...xdp];
      const program =
        seat === 'null' ? attachNull(net.server, inDriver) : await startServer(net, seat, options);
      const from = inDriver ? BEHIND_GATEWAY : own.join();
      const args = [SOLICIT, from, SERVER_ADDRESS, String(pace), String(seconds)];
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

/**
 * The asker's host becomes the gateway to its other address: a server answers in the driver only what comes from the gateway. As between hosts
 * with network cards it fills in checksums itself. And the other end of the server's veth has a program in the driver, which it needs to take
 * what a driver gives back.
 */
function becomeGateway({ server, backbone }: Internet, asker: Namespace, address: string): void {
  asker.ip('address', 'add', `${BEHIND_GATEWAY}/32`, 'dev', 'wan');
  server.ip('route', 'add', 'default', 'via', address);
  asker.execute('ethtool', '-K', 'wan', 'tx', 'off');
  passInDriver(backbone, otherEnd(server, backbone));
}

/** The name of the interface of a switch that a host is connected to. */
function otherEnd(host: Namespace, to: Namespace): string {
  const [link] = JSON.parse(host.ip('-j', 'link', 'show', 'wan')) as [{ link_index: number }];
  const ports = JSON.parse(to.ip('-j', 'link', 'show')) as { ifindex: number; ifname: string }[];
  return ports.find(({ ifindex }) => ifindex === link.link_index)!.ifname;
}

function answeredInDriver(host: Namespace): number {
  return kernelCounters(host)['answeredInDriver'] ?? 0;
}

function attachNull(host: Namespace, inDriver: boolean): undefined {
  using object = new BpfObject('null');
  if (inDriver) {
    host.ip('link', 'set', 'dev', 'wan', 'xdpdrv', 'obj', object.path, 'sec', 'xdp');
    return undefined;
  }
  host.execute('tc', 'qdisc', 'add', 'dev', 'wan', 'clsact');
  const from = ['obj', object.path, 'sec', 'tc'];
  host.execute('tc', 'filter', 'add', 'dev', 'wan', 'ingress', 'bpf', 'da', ...from);
}
