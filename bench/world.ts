/**
 * The path to measure, for one variant and one kind of links:
 *
 *     client -- kernel NAT -- backbone -- relay -- native host
 *
 * Plain IPv4 takes the same path, with the relay's host as a router, and with segments as large as Teredo's.
 */
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, ping } from '../src/lab/index.ts';
import type { Namespace } from '../src/lab/index.ts';
import { Iperf } from './iperf.ts';
import { linkFeatures, setLinks } from './links.ts';
import { readDrops } from './machine/drops.ts';
import type { Drops } from './machine/drops.ts';
import type { Order } from './row.ts';
import { SeatDrops } from './seat-drops.ts';
import { VARIANTS } from './seats.ts';
import type { LinkKind, Variant } from './seats.ts';
import { programDrops, startClient, startRelay, startServer } from './variants.ts';

/** The size of a TCP segment in IPv6 within the tunnel's MTU of 1280. */
export const SEGMENT = 1_220;
const NATIVE_IPV4 = '10.99.0.2';

export class World {
  readonly net: Internet;
  readonly client: Namespace;
  /** The native host's address at which the client reaches it. */
  readonly target: string;
  readonly iperf: Iperf;
  private readonly variant: Variant;

  private constructor(net: Internet, client: Namespace, target: string, variant: Variant) {
    this.net = net;
    this.client = client;
    this.target = target;
    this.variant = variant;
    this.iperf = new Iperf({ client, target, native: net.native });
  }

  /** Starts everything; the client has reached the native host once. */
  static async open(variant: Variant, links: LinkKind): Promise<World> {
    const net = new Internet();
    try {
      const { client, nat } = net.site('a', 'port-restricted');
      setLinks(net.lab.hosts, links);
      if (variant === 'plain') {
        routePlainly(net, client, nat);
      } else {
        await startServer(net, variant);
        await startRelay(net, variant);
        await startClient(client, variant);
      }
      const target = variant === 'plain' ? NATIVE_IPV4 : NATIVE_ADDRESS;
      if ((await ping(client, target, 20_000)) === undefined)
        throw new Error(`${variant}: no way to ${target}`);
      return new World(net, client, target, variant);
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  get native(): Namespace {
    return this.net.native;
  }

  drops(): Drops {
    const drops = readDrops(this.net.lab.hosts);
    if (this.variant === 'plain' || this.variant === 'miredo') return drops;
    return { ...drops, program: programDrops([this.net.relay, this.client]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
  }
}

/** A world for each variant, all at once, so that they can be measured in turn. */
export class Worlds {
  private readonly worlds = new Map<Variant, World>();

  static async open(links: LinkKind, { results }: Order): Promise<Worlds> {
    const all = new Worlds();
    try {
      for (const variant of VARIANTS) all.worlds.set(variant, await World.open(variant, links));
    } catch (error) {
      await all[Symbol.asyncDispose]();
      throw error;
    }
    results.report.facts.links[links] = linkFeatures(all.of('plain').net.lab.hosts);
    return all;
  }

  of(variant: Variant): World {
    return this.worlds.get(variant)!;
  }

  /** Of all variants. */
  drops(order: Order): SeatDrops {
    return new SeatDrops(VARIANTS, order, (seat) => this.of(seat as Variant).drops());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.worlds.values()].map((world) => world[Symbol.asyncDispose]()));
  }
}

function routePlainly(net: Internet, client: Namespace, nat: Namespace): void {
  net.relay.ip('address', 'add', '10.99.0.1/24', 'dev', 'v6');
  net.relay.sysctl('net.ipv4.ip_forward', '1');
  net.native.ip('address', 'add', `${NATIVE_IPV4}/24`, 'dev', 'v6');
  net.native.ip('route', 'add', 'default', 'via', '10.99.0.1', 'advmss', String(SEGMENT));
  nat.ip('route', 'add', '10.99.0.0/24', 'via', RELAY_ADDRESS);
  const gateway = /default via (\S+)/.exec(client.ip('route'))![1]!;
  client.ip('route', 'replace', 'default', 'via', gateway, 'advmss', String(SEGMENT));
}
