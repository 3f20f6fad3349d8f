/**
 * A relay and a crowd of up to a million Teredo clients. One namespace plays the clients (each with its own IPv4 address), their server,
 * and a native host:
 *
 *     clients, server 198.51.100.250 -- backbone -- relay -- native host 2001:db8:3::2
 *           `--------------------- one namespace -----------------------'
 *
 * The relay learns of clients in the usual way: the native host sends to them, the relay sends each a bubble through its server, and a
 * program in the kernel (crowd.bpf.c) answers. Links carry no super-packets: packets to one client could cross virtual links in
 * super-packets, packets to a thousand could not.
 */
import { fileURLToPath } from 'node:url';
import { Internet } from '../src/lab/index.ts';
import type { Namespace, Running } from '../src/lab/index.ts';
import { BpfObject } from './bpf-object.ts';
import { CLIENTS_NETWORK, CROWD_ADDRESS, NATIVE, NATIVE_GATEWAY } from './crowd-addresses.ts';
import type { Crossing } from './crowd-process.ts';
import { startRelay } from './variants.ts';
import type { TeredoVariant } from './variants.ts';
import { cutOnWires } from './world.ts';

const PROCESS = fileURLToPath(new URL('./crowd-process.js', import.meta.url));
/** For a million clients. */
const LONG_SECONDS = 300;

/** Raises the limits, so that they do not determine the result: one native host sends to all clients, and all have one server. */
const NO_LIMIT = ['by-source', 'by-server'].flatMap((name) =>
  ['per-second', 'burst', 'ceiling'].map((what) => `${name}.shared.${what}=1000000000`),
);

export class Crowd {
  readonly relay: Running;
  private readonly net: Internet;
  private readonly host: Namespace;
  private readonly object: BpfObject;

  private constructor(net: Internet, host: Namespace, object: BpfObject, relay: Running) {
    this.net = net;
    this.host = host;
    this.object = object;
    this.relay = relay;
  }

  /** With a relay that knows no client yet. */
  static open(variant: TeredoVariant, nodeOptions: readonly string[] = []): Promise<Crowd> {
    return Crowd.openWith((net) => startRelay(net, variant, NO_LIMIT, nodeOptions));
  }

  /** With a relay that the caller starts. */
  static async openWith(start: (net: Internet) => Promise<Running>): Promise<Crowd> {
    const net = new Internet();
    const object = new BpfObject('crowd');
    try {
      const host = net.lab.host('crowd');
      net.attach(host, 'wan', CROWD_ADDRESS);
      net.lab.wire(net.relay, 'v6c', [`${NATIVE_GATEWAY}/64`], host, 'v6', [`${NATIVE}/64`]);
      host.ip('-6', 'route', 'add', 'default', 'via', NATIVE_GATEWAY);
      net.relay.ip('route', 'add', CLIENTS_NETWORK, 'via', CROWD_ADDRESS);
      cutOnWires(net);
      return new Crowd(net, host, object, await start(net));
    } catch (error) {
      object[Symbol.dispose]();
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The native host sends to clients that the relay does not know. `arrived`: packets that reached their client. */
  meet(from: number, to: number, seconds = LONG_SECONDS): Promise<Crossing> {
    return this.run('meet', from, to, seconds);
  }

  /** The traffic is spread over this many clients. */
  load(direction: 'up' | 'down', clients: number, seconds: number): Promise<Crossing> {
    return this.run(direction, clients, seconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.object[Symbol.dispose]();
    await this.net[Symbol.asyncDispose]();
  }

  private async run(...task: (string | number)[]): Promise<Crossing> {
    const running = this.host.spawn(process.execPath, [PROCESS, this.object.path, ...task.map(String)]);
    if ((await running.exited) !== 0) throw new Error(running.output);
    return JSON.parse(running.stdout) as Crossing;
  }
}
