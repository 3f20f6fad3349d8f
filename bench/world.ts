/**
 * The path to measure, for one variant and one kind of links:
 *
 *     client -- kernel NAT -- backbone -- relay -- native host
 *
 * Plain IPv4 takes the same path, with the relay's host as a router, and with segments as large as Teredo's. `wire`: the kernels pass no
 * super-packets through the links, as between real machines.
 */
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, ping } from '../src/lab/index.ts';
import type { Namespace } from '../src/lab/index.ts';
import { startClient, startRelay, startServer } from './variants.ts';
import type { Variant } from './variants.ts';

export const LINKS = ['veth', 'wire'] as const;
export type LinkKind = (typeof LINKS)[number];

/** The size of a TCP segment in IPv6 within the tunnel's MTU of 1280. */
const SEGMENT = 1_220;
const NATIVE_IPV4 = '10.99.0.2';

export class World {
  readonly net: Internet;
  readonly client: Namespace;
  /** The native host's address at which the client reaches it. */
  readonly target: string;

  private constructor(net: Internet, client: Namespace, target: string) {
    this.net = net;
    this.client = client;
    this.target = target;
  }

  /** Starts everything; the client has reached the native host once. */
  static async open(variant: Variant, links: LinkKind): Promise<World> {
    const net = new Internet();
    try {
      const { client, nat } = net.site('a', 'port-restricted');
      if (links === 'wire') cutOnWires(net);
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
      return new World(net, client, target);
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  get native(): Namespace {
    return this.net.native;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
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

/** Only the links: tunnels and bridges of the hosts keep their features. */
export function cutOnWires(net: Internet): void {
  for (const host of net.lab.hosts) cutAt(host);
}

function cutAt(host: Namespace): void {
  const links = JSON.parse(host.ip('-j', '-d', 'link', 'show', 'type', 'veth')) as { ifname: string }[];
  const off = ['tso', 'gso', 'gro', 'tx-udp-segmentation'].flatMap((feature) => [feature, 'off']);
  for (const { ifname } of links) host.execute('ethtool', '-K', ifname, ...off);
}
