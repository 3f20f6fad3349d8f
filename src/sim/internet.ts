import type { Ipv4, Ipv6 } from '../wire/index.ts';
import { formatIpv6, isTeredo, parseIpv6, parsePrefix } from '../wire/index.ts';
import type { ClientKey, ServerOptions } from '../core/server/index.ts';
import { Ipv4Network } from './ipv4-network.ts';
import { Ipv6Host } from './ipv6-host.ts';
import { Ipv6Link } from './ipv6-link.ts';
import type { PacketHandler } from './ipv6-link.ts';
import { Ipv6Router } from './ipv6-router.ts';
import type { LinkConditions } from './link.ts';
import { Nat } from './nat.ts';
import { NAT_KINDS } from './nat-options.ts';
import type { NatKindName, NatOptions } from './nat-options.ts';
import { SimClient } from './sim-client.ts';
import type { SimClientOptions } from './sim-client.ts';
import { SimRelay } from './sim-relay.ts';
import type { SimRelayOptions } from './sim-relay.ts';
import { SimServer } from './sim-server.ts';
import { World } from './world.ts';
import type { WorldOptions } from './world.ts';

export interface InternetOptions extends WorldOptions {
  /** One way, between any two hosts. Default 50. */
  readonly delayMs?: number;
  /** Conditions of every link to the IPv4 and IPv6 internet, except the delay. */
  readonly conditions?: Partial<Omit<LinkConditions, 'delayMs'>>;
  /** Whether clients and relays have a kernel path. Default false. */
  readonly offload?: boolean;
  /** With `offload`: clients have so many workers instead of a kernel path. Default 1. */
  readonly workers?: number;
}

export interface AddServerOptions extends Partial<Omit<ServerOptions, 'keys'>> {
  readonly keys?: (clientId: Uint8Array) => ClientKey | undefined;
  /** Without a secondary address. */
  readonly single?: boolean;
}

export interface AddClientOptions extends Partial<SimClientOptions> {
  /** The NAT of the client: a new one of this kind, an existing one, or none. */
  readonly behind?: NatKindName | NatOptions | Nat | undefined;
}

/** A relay and its router. */
export interface RelaySite {
  readonly relay: SimRelay;
  readonly router: Ipv6Router;
}

/** A native host with a host-specific relay. */
export interface HostRelay {
  readonly relay: SimRelay;
  readonly host: Ipv6Host;
}

/** A small internet: servers, relays, native hosts, and clients behind NATs of given kinds. Addresses are assigned in order. */
export class Internet {
  readonly world: World;
  /** The IPv4 internet. */
  readonly ipv4: Ipv4Network;
  /** The router in the middle of the IPv6 internet. */
  readonly core = new Ipv6Router(address6('2001:db8:ffff::1'));
  readonly servers: SimServer[] = [];
  readonly clients: SimClient[] = [];
  readonly nats: Nat[] = [];
  /** All links of the IPv6 internet. */
  readonly ipv6Links: LinkConditions[] = [];
  private readonly access: Partial<LinkConditions>;
  private readonly offload: boolean;
  private readonly workers: number;
  private relayCount = 0;
  private nativeCount = 0;
  private edgeCount = 0;
  private readonly insideCounts = new Map<Ipv4Network, number>();

  constructor(options: InternetOptions = {}) {
    this.world = new World(options);
    this.ipv4 = new Ipv4Network(this.world, 'internet');
    this.offload = options.offload ?? false;
    this.workers = options.workers ?? 1;
    this.access = { ...options.conditions, delayMs: (options.delayMs ?? 50) / 2 };
  }

  /** 198.51.100.1 and .2, then .3 and .4, and so on. */
  addServer(options: AddServerOptions = {}): SimServer {
    const { single, ...rest } = options;
    const primary = 0xc6336401 + 2 * this.servers.length;
    const up = this.connect(NOWHERE, this.core.forward);
    const addresses = single === true ? { primary } : { primary, secondary: primary + 1 };
    const server = new SimServer(this.ipv4, up.toB, { ...addresses, native: true, ...rest }, this.access);
    this.servers.push(server);
    return server;
  }

  /** 192.0.2.1 and so on, serving the whole IPv6 internet. The core router sends 2001::/32 to the first one. */
  addRelay(options: Partial<SimRelayOptions> = {}): RelaySite {
    const number = ++this.relayCount;
    const router = new Ipv6Router(address6(`2001:db8:fffe::${number.toString(16)}`));
    const link = this.connect(router.forward, this.core.forward);
    const relay = new SimRelay(
      this.ipv4,
      router.forward,
      {
        serve: [parsePrefix('2000::/3')!],
        localAddress: router.address,
        address: 0xc0000200 + number,
        offload: this.offload,
        ...options,
      },
      this.access,
    );
    router.addRoute('2001::/32', relay.handlePacket);
    router.addRoute('::/0', link.toB);
    this.core.addRoute(`${formatIpv6(router.address)}/128`, link.toA);
    if (number === 1) this.core.addRoute('2001::/32', link.toA);
    return { relay, router };
  }

  /** A native host, 2001:db8:1::1 and so on. `site`: the nearest relay; default: the first one. */
  addNativeHost(site?: RelaySite): Ipv6Host {
    const { host, link } = this.attachNative(site?.router ?? this.core);
    host.output = link;
    if (site !== undefined) {
      const up = this.connect(site.router.forward, NOWHERE);
      this.core.addRoute(`${formatIpv6(host.address)}/64`, up.toA);
    }
    return host;
  }

  /** A native host with a host-specific relay: it exchanges packets with Teredo clients directly. */
  addHostRelay(options: Partial<SimRelayOptions> = {}): HostRelay {
    const { host, link } = this.attachNative(this.core);
    const relay = new SimRelay(
      this.ipv4,
      host.receive,
      {
        serve: [parsePrefix(`${formatIpv6(host.address)}/128`)!],
        localAddress: host.address,
        address: 0xc0000280 + ++this.relayCount,
        offload: this.offload,
        ...options,
      },
      this.access,
    );
    host.output = (packet) => (isTeredo(packet, 24) ? relay.handlePacket(packet) : link(packet));
    return { relay, host };
  }

  /** A NAT on the internet, or on the inner network of another NAT. */
  addNat(kind: NatKindName | NatOptions, outer?: Nat): Nat {
    const options = typeof kind === 'string' ? NAT_KINDS[kind] : kind;
    const depth = outer === undefined ? 1 : 2;
    const outside = outer?.inside ?? this.ipv4;
    const address = outer === undefined ? this.nextPublicAddress() : this.nextInsideAddress(outer);
    const gateway = 0xc0a80001 + (depth << 8);
    const nat = new Nat(outside, address, gateway, options, outer === undefined ? this.access : undefined);
    this.nats.push(nat);
    return nat;
  }

  /** Adds and starts a client. Default of `servers`: the first server. */
  addClient(options: AddClientOptions = {}): SimClient {
    const { behind, ...rest } = options;
    const nat = behind === undefined || behind instanceof Nat ? behind : this.addNat(behind);
    const machine: SimClientOptions = {
      servers: [this.serverCandidate(0)],
      offload: this.offload,
      workers: this.workers,
      ...rest,
    };
    const client =
      nat === undefined
        ? new SimClient(this.ipv4, this.nextPublicAddress(), machine, this.access)
        : new SimClient(nat.inside, this.nextInsideAddress(nat), machine);
    this.clients.push(client);
    client.start();
    return client;
  }

  /** A server as a client's settings name it. */
  serverCandidate(index: number): { primary: Ipv4; secondary: Ipv4 | undefined } {
    const [primary, secondary] = this.servers[index]!.host.addresses;
    return { primary: primary!, secondary };
  }

  /** The next unused address of the IPv4 internet. */
  nextPublicAddress(): Ipv4 {
    return 0x05000001 + this.edgeCount++;
  }

  /** The next unused address behind a NAT. */
  nextInsideAddress(nat: Nat): Ipv4 {
    const count = (this.insideCounts.get(nat.inside) ?? 0) + 1;
    this.insideCounts.set(nat.inside, count);
    return nat.inside.gateway!.address + count;
  }

  private connect(a: PacketHandler, b: PacketHandler): Ipv6Link {
    const link = new Ipv6Link(this.world, a, b, this.access);
    this.ipv6Links.push(link.link);
    return link;
  }

  private attachNative(router: Ipv6Router): { host: Ipv6Host; link: PacketHandler } {
    const number = ++this.nativeCount;
    const host = new Ipv6Host(this.world, address6(`2001:db8:${number.toString(16)}::1`));
    const link = this.connect(host.receive, router.forward);
    router.addRoute(`${formatIpv6(host.address)}/64`, link.toA);
    return { host, link: link.toB };
  }
}

const NOWHERE: PacketHandler = () => {};

function address6(text: string): Ipv6 {
  const address = parseIpv6(text);
  if (address === undefined) throw new RangeError(`not an IPv6 address: ${text}`);
  return address;
}
