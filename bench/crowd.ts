/**
 * A relay and a crowd of up to a million Teredo clients. One namespace plays the clients (each with its own IPv4 address), their server,
 * and a native host:
 *
 *     clients, server 198.51.100.250 -- backbone -- relay -- native host 2001:db8:3::2
 *           `--------------------- one namespace -----------------------'
 *
 * The relay learns of clients in the usual way: the native host sends to them, the relay sends each a bubble through its server, and a
 * program in the kernel (crowd.bpf.c) answers. A null relay only forwards plain IPv6 between the two interfaces.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Internet, RELAY_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace, Running } from '../src/lab/index.ts';
import { Answers } from './answers.ts';
import { BpfObject } from './bpf-object.ts';
import {
  CLIENTS_NETWORK,
  CROWD_ADDRESS,
  NATIVE,
  NATIVE_GATEWAY,
  PLAIN,
  RELAY_PORT,
} from './crowd-addresses.ts';
import type { Bursts } from './crowd-bursts.ts';
import type { Crossing, Task } from './crowd-process.ts';
import type { Way } from './crowd-packets.ts';
import type { Direction } from './iperf.ts';
import { setLinks } from './links.ts';
import { readDrops } from './machine/drops.ts';
import type { Drops } from './machine/drops.ts';
import type { TeredoVariant } from './seats.ts';
import { programDrops, startLoneClient, startRelay, startServer } from './variants.ts';

const PROCESS = fileURLToPath(new URL('./crowd-process.js', import.meta.url));
/** For a million clients. */
const LONG_SECONDS = 300;

/** Raises the limits, so that they do not determine the result: one native host sends to all clients, and all have one server. */
const NO_LIMIT = ['by-source', 'by-server'].flatMap((name) =>
  ['per-second', 'burst', 'ceiling'].map((what) => `${name}.shared.${what}=1000000000`),
);

export interface LoadOptions {
  readonly seconds: number;
  /** The traffic is spread over this many clients. */
  readonly clients?: number;
  readonly generators?: number;
  /** Of the IPv6 packets. */
  readonly size?: number;
  /** As many as possible by default. */
  readonly perSecond?: number;
}

export type BurstOptions = Pick<Bursts, 'clients' | 'size' | 'packets' | 'times'>;

export class Crowd {
  readonly net: Internet;
  /** Undefined: a null relay. */
  private readonly program: Running | undefined;
  private readonly crowd: Answers;
  private readonly folder: string;
  /** Whether the relay is this program, and says what it dropped. */
  private isOurs = false;
  /** At the other end of all packets. */
  private host: string = NATIVE;

  private constructor(net: Internet, crowd: Running, folder: string, program: Running | undefined) {
    this.net = net;
    this.crowd = new Answers(crowd, 'SIGUSR2', 'done');
    this.folder = folder;
    this.program = program;
  }

  /** With a relay that knows no client yet. */
  static async open(
    variant: TeredoVariant | 'null',
    nodeOptions: readonly string[] = [],
    workers = 1,
  ): Promise<Crowd> {
    const crowd = await Crowd.openWith((net) =>
      variant === 'null' ? routePlainly(net) : startRelay(net, variant, NO_LIMIT, nodeOptions, workers),
    );
    crowd.isOurs = variant === 'user' || variant === 'kernel';
    return crowd;
  }

  /** With a client on the user path, without a NAT: its host is at the far end of the link, in the crowd's namespace. */
  static async openClient(workers: number): Promise<Crowd> {
    let host = '';
    const crowd = await Crowd.openWith(async (net) => {
      await startServer(net, 'user');
      const program = await startLoneClient(net.relay, RELAY_ADDRESS, RELAY_PORT, workers);
      host = await addressOn(net.relay);
      moveHost(net, host);
      return program;
    });
    crowd.host = host;
    return crowd;
  }

  /** With a relay that the caller starts. */
  static async openWith(start: (net: Internet) => Promise<Running> | undefined): Promise<Crowd> {
    const net = new Internet();
    const folder = mkdtempSync(join(tmpdir(), 'bench-'));
    try {
      using object = new BpfObject('crowd');
      const host = net.lab.host('crowd');
      net.attach(host, 'wan', CROWD_ADDRESS);
      net.lab.wire(net.relay, 'v6c', [`${NATIVE_GATEWAY}/64`], host, 'v6', [`${NATIVE}/64`]);
      host.ip('-6', 'route', 'add', 'default', 'via', NATIVE_GATEWAY);
      net.relay.ip('route', 'add', CLIENTS_NETWORK, 'via', CROWD_ADDRESS);
      setLinks(net.lab.hosts, 'nic');
      const program = await start(net);
      const crowd = host.spawn(process.execPath, [PROCESS, object.path, taskFile(folder)]);
      await crowd.waitFor(/ready/);
      return new Crowd(net, crowd, folder, program);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  drops(): Drops {
    const { lab, relay } = this.net;
    return { ...readDrops(lab.hosts), ...(this.isOurs ? { program: programDrops([relay]) } : {}) };
  }

  get relay(): Running {
    return this.program!;
  }

  /** The native host sends to clients that the relay does not know. `arrived`: packets that reached their client. */
  meet(from: number, to: number, seconds = LONG_SECONDS, generators = 1): Promise<Crossing> {
    return this.perform({ kind: 'meet', from, to, seconds, generators });
  }

  load(direction: Direction, options: LoadOptions): Promise<Crossing> {
    const way: Way = this.program === undefined ? `plain-${direction}` : direction;
    const normal = { clients: 1, generators: 1, size: 128, perSecond: 0 };
    return this.perform({ kind: 'load', way, ...normal, ...options });
  }

  /** The program is stopped while each burst is sent. `seconds`: the time that the program took for all of them. */
  async burst(direction: Direction, options: BurstOptions): Promise<Crossing> {
    this.net.relay.ip('link', 'set', 'dev', 'teredo', 'txqueuelen', String(2 * options.packets));
    const program = this.relay.pid;
    return await this.perform({ kind: 'bursts', way: direction, generators: 1, program, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
    await this.net[Symbol.asyncDispose]();
  }

  private async perform(task: Task): Promise<Crossing> {
    writeFileSync(taskFile(this.folder), JSON.stringify({ ...task, host: this.host }));
    const seconds = 'seconds' in task ? task.seconds : task.times;
    return JSON.parse(await this.crowd.ask(seconds * 1_000 + 20_000)) as Crossing;
  }
}

function taskFile(folder: string): string {
  return join(folder, 'task');
}

function routePlainly({ relay, lab }: Internet): undefined {
  const crowd = lab.hosts.find(({ name }) => name.endsWith('-crowd'))!;
  relay.ip('address', 'add', `${PLAIN.relay}/64`, 'dev', 'wan', 'nodad');
  crowd.ip('address', 'add', `${PLAIN.crowd}/64`, 'dev', 'wan', 'nodad');
  crowd.ip('-6', 'route', 'add', `${PLAIN.toNative}/64`, 'via', PLAIN.relay, 'dev', 'wan');
  relay.ip('-6', 'route', 'add', `${PLAIN.toNative}/64`, 'via', NATIVE, 'dev', 'v6c');
  relay.ip('-6', 'route', 'add', `${PLAIN.toClients}/64`, 'via', PLAIN.crowd, 'dev', 'wan');
  return undefined;
}

/** The Teredo address of the program in this namespace. */
async function addressOn(host: Namespace): Promise<string> {
  return await until('the Teredo address', () => {
    const all = host.ip('-6', '-o', 'addr', 'show', 'dev', 'teredo', 'scope', 'global');
    return /inet6 (2001:0:[^/]+)/.exec(all)?.[1];
  });
}

/** Packets for this address of the client come out of the tunnel and go on to the crowd, which sends from it, too. */
function moveHost({ relay }: Internet, address: string): void {
  const rule = (...args: string[]): void => void relay.ip('-6', 'rule', ...args);
  rule('add', 'pref', '10', 'iif', 'teredo', 'lookup', '100');
  rule('add', 'pref', '20', 'lookup', 'local');
  rule('del', 'pref', '0');
  relay.ip('-6', 'route', 'add', `${address}/128`, 'via', NATIVE, 'dev', 'v6c', 'table', '100');
}
