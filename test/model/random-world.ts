import { Internet, NAT_KINDS, SeededEntropy } from '../../src/sim/index.ts';
import type {
  Nat,
  Dependence,
  Ipv6Host,
  NatOptions,
  RelaySite,
  SimClient,
  SimRelay,
  World,
} from '../../src/sim/index.ts';
import type { Endpoint, Ipv6 } from '../../src/wire/index.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import { Invariants } from './invariants.ts';

const DEPENDENCE: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
];
/** Addresses to which packets are never sent, and similar ones. */
const ODD_ADDRESSES = [
  0x00000001, 0x0a000001, 0x7f000001, 0xa9fe0001, 0xac100001, 0xc0586301, 0xc0a80101, 0xe00000fd, 0xffffffff,
];

/** A small internet with random topology, events and faults. The seed determines all of it. */
export class RandomWorld {
  readonly net: Internet;
  readonly clients: SimClient[] = [];
  readonly natives: Ipv6Host[] = [];
  private readonly sites: RelaySite[];
  private readonly hostRelays: SimRelay[] = [];
  private readonly random: SeededEntropy;
  private readonly offload: boolean;
  private readonly mute: Ipv6[] = [];
  private restarts = 0;
  private readonly invariants: Invariants;
  /** The NATs in front of each client, the outermost first. */
  private readonly paths = new Map<SimClient, readonly Nat[]>();

  /** `offload`: clients and relays have a kernel path; clients with several `workers` have these instead. */
  constructor(seed: number, offload = false, workers = 1) {
    this.offload = offload;
    // A separate stream: the world does not draw from it.
    this.random = new SeededEntropy(seed, 0x7eed0);
    const { random } = this;
    this.net = new Internet({
      seed,
      offload,
      workers,
      eventsPerInstant: 20_000,
      delayMs: random.integer(2, 200),
      conditions: {
        jitterMs: random.chance(0.5) ? random.integer(0, 100) : 0,
        loss: random.chance(0.5) ? random.unit() * 0.2 : 0,
        duplication: random.chance(0.3) ? random.unit() * 0.3 : 0,
      },
    });
    this.invariants = new Invariants(this.net.world);
    this.invariants.watchRouter(this.net.core);
    for (let i = random.integer(1, 3); i > 0; i--) this.addServer();
    this.sites = Array.from({ length: random.integer(1, 3) }, () => this.addRelay());
    for (let i = random.integer(1, 3); i > 0; i--)
      this.addNative(this.net.addNativeHost(random.pick(this.sites)));
    const { primary } = this.net.serverCandidate(0);
    for (let mappedPort = 1; mappedPort <= 2; mappedPort++) {
      const address = makeTeredoAddress({ server: primary, flags: 0, mappedAddress: 0x05ffff01, mappedPort });
      this.mute.push(address);
      this.invariants.addMute(address);
    }
    if (random.chance(0.4)) this.addHostRelay();
    for (let i = random.integer(2, 6); i > 0; i--) this.addClient();
  }

  get world(): World {
    return this.net.world;
  }

  /** Whether a client can be reached: no NAT in front of it maps by destination. */
  isUsable(client: SimClient): boolean {
    return this.paths.get(client)!.every((nat) => nat.options.mapping === 'endpoint-independent');
  }

  /** Makes a random event happen, and lets some time pass. */
  step(): void {
    const happens = this.random.integer(0, 10);
    if (happens <= 2) this.traffic();
    else if (happens === 3 || happens === 9) this.oddTraffic();
    else if (happens === 4) this.noise();
    else if (happens === 5) this.natFault();
    else if (happens === 6) this.linkFault();
    else if (happens === 7) this.hostFault();
    else this.relayFault();
    if (this.offload && this.random.chance(0.2)) this.kernelPathFault();
    this.world.runFor(
      this.random.chance(0.2) ? this.random.integer(0, 60_000) : this.random.integer(0, 3_000),
    );
  }

  /** Ends all faults. */
  heal(): void {
    const { servers, nats, ipv6Links } = this.net;
    const machines = [
      ...servers,
      ...this.sites.map(({ relay }) => relay),
      ...this.clients,
      ...this.hostRelays,
    ];
    const links = machines.flatMap(({ host }) => host.links);
    for (const link of [...links, ...nats.map((nat) => nat.link), ...ipv6Links]) {
      Object.assign(link, { up: true, loss: 0, jitterMs: 0, duplication: 0 });
    }
    for (const client of this.clients) client.start();
  }

  private addServer(): void {
    const server = this.net.addServer();
    this.invariants.watchMachine(() => server.machine);
    this.invariants.watchPublicAt(server.host.attachment, () => 0);
  }

  private addRelay(): RelaySite {
    const site = this.net.addRelay();
    this.invariants.watchMachine(() => site.relay.machine);
    this.invariants.watchRouter(site.router);
    this.invariants.watchPublicAt(site.relay.host.attachment, () => this.restarts);
    return site;
  }

  private addNative(host: Ipv6Host): void {
    this.natives.push(host);
    this.invariants.watchHost(host);
    host.echoUdp();
  }

  private addHostRelay(): void {
    const { relay, host } = this.net.addHostRelay();
    this.hostRelays.push(relay);
    this.invariants.watchMachine(() => relay.machine);
    this.invariants.watchPublicAt(relay.host.attachment, () => 0);
    this.addNative(host);
  }

  private addClient(): void {
    const { random, net } = this;
    const path = this.randomPath();
    const client = net.addClient({
      behind: path.at(-1),
      servers: net.servers.map((_, i) => net.serverCandidate(i)),
      localDiscovery: random.chance(0.7),
      refresh: random.chance(0.3) ? 'auto' : undefined,
      strictUnverified: random.chance(0.2),
    });
    this.paths.set(client, path);
    this.clients.push(client);
    this.invariants.watchMachine(() => client.machine);
    this.invariants.watchHost(client.ipv6);
    this.invariants.watchClientAt(client, client.host.attachment);
    client.ipv6.echoUdp();
  }

  private randomPath(): readonly Nat[] {
    const { random } = this;
    const taken = [...this.paths.values()].filter((path) => path.length > 0);
    if (random.chance(0.15)) return [];
    if (taken.length > 0 && random.chance(0.3)) return random.pick(taken);
    const outer = this.addNat();
    return random.chance(0.25) ? [outer, this.addNat(outer)] : [outer];
  }

  private addNat(outer?: Nat): Nat {
    return this.net.addNat(this.randomNat(), outer);
  }

  private randomNat(): NatOptions {
    const { random } = this;
    return {
      ...NAT_KINDS.portRestricted,
      mapping: random.chance(0.8) ? 'endpoint-independent' : random.pick(DEPENDENCE),
      filtering: random.pick(DEPENDENCE),
      ports: random.pick(['preserving', 'sequential', 'random']),
      lifetimeMs: random.integer(35_000, 300_000),
      inboundRefresh: random.chance(0.5),
      hairpinning: random.chance(0.3),
    };
  }

  private traffic(): void {
    const { random } = this;
    const hosts = [...this.clients.map((client) => client.ipv6), ...this.natives];
    const from = random.pick(hosts);
    const to = random.pick(hosts);
    if (from.addresses.length === 0 || to.addresses.length === 0) return;
    for (let i = random.integer(1, 20); i > 0; i--) this.send(from, to.address);
  }

  /** Packets to forbidden or unused addresses. */
  private oddTraffic(): void {
    const { random } = this;
    const from = random.pick([...this.clients.map((client) => client.ipv6), ...this.natives]);
    if (from.addresses.length > 0 && random.chance(0.5)) {
      this.send(from, random.pick(this.mute));
      return;
    }
    const odd = (): number =>
      random.chance(0.5) ? random.pick(ODD_ADDRESSES) : 0x05ff0000 + random.integer(0, 256);
    const target = {
      server: odd(),
      flags: random.integer(0, 65_536),
      mappedAddress: odd(),
      mappedPort: random.integer(0, 65_536),
    };
    if (random.chance(0.5)) target.server = this.net.serverCandidate(0).primary;
    if (from.addresses.length > 0) this.send(from, makeTeredoAddress(target));
  }

  private send(from: Ipv6Host, destination: Ipv6): void {
    const { random } = this;
    const size = random.chance(0.1) ? random.integer(1_200, 1_500) : random.integer(0, 1_000);
    if (random.chance(0.5))
      from.ping(destination, { size, hopLimit: random.chance(0.1) ? random.integer(1, 4) : 64 });
    else from.sendUdp({ destination, sourcePort: 1_000, destinationPort: 7, payload: new Uint8Array(size) });
  }

  /** Random bytes from a random source. */
  private noise(): void {
    const { random, net } = this;
    const payload = new Uint8Array(random.integer(0, 200));
    random.fill(payload);
    const beginning = random.pick([[0x60], [0, 0], [0, 1], []]);
    payload.set(beginning.slice(0, payload.length));
    const targets: Endpoint[] = [
      { address: net.serverCandidate(0).primary, port: 3544 },
      ...this.sites.map(({ relay }) => ({ address: relay.host.attachment.address, port: 3545 })),
      ...this.clients.flatMap((client) => client.status.mapped ?? []),
    ];
    const target = random.pick(targets);
    const to = net.ipv4.find(target.address);
    to?.arrive({
      source: 0x05fe0001,
      sourcePort: random.integer(1, 65_536),
      destination: target.address,
      destinationPort: target.port,
      timeToLive: 64,
      payload,
    });
  }

  private natFault(): void {
    const { random, net } = this;
    if (net.nats.length === 0) return;
    const nat = random.pick(net.nats);
    const isOuter = [...this.paths.values()].some((path) => path[0] === nat);
    if (isOuter && random.chance(0.3)) nat.setExternalAddress(net.nextPublicAddress());
    else nat.flush();
  }

  private linkFault(): void {
    const { random, net } = this;
    const places = [
      ...net.nats,
      ...net.servers.map(({ host }) => host),
      ...this.clients.map(({ host }) => host),
    ];
    const { link } = random.pick(places);
    if (random.chance(0.5)) link.up = !link.up;
    else link.loss = random.unit() * 0.5;
  }

  /** The kernel path of a random node forgets all peers, as after a change of routes. */
  private kernelPathFault(): void {
    this.random.pick([...this.clients, ...this.sites.map(({ relay }) => relay)]).node.resetKernelPath();
  }

  private hostFault(): void {
    const { random, net } = this;
    const client = random.pick(this.clients);
    const kind = random.integer(0, 3);
    if (kind === 0) {
      client.stop();
    } else if (kind === 1) {
      client.start();
    } else {
      const path = this.randomPath();
      const nat = path.at(-1);
      if (nat === undefined) client.move(net.ipv4, net.nextPublicAddress());
      else client.move(nat.inside, net.nextInsideAddress(nat));
      this.paths.set(client, path);
      this.invariants.watchClientAt(client, client.host.attachment);
    }
  }

  private relayFault(): void {
    this.restarts++;
    this.random.pick(this.sites).relay.restart();
  }
}
