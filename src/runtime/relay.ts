import { EventEmitter } from 'node:events';
import type { AccessList } from '../core/access-list.ts';
import { AddressPolicy, isLoopback, isShared } from '../core/address-policy.ts';
import type { KnownPeer } from '../core/known-peer.ts';
import type { PeerTable } from '../core/peer-table.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import { RELAY_LIMITS, RELAY_SOCKET, relayWorkersPart } from '../core/relay/index.ts';
import type { RelayLimits, RelayMachine } from '../core/relay/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { CarriedPath, MergeWish, NetworkMonitor, Tun, Udp, XdpWish } from '../io/ports.ts';
import { refusalOf } from '../io/refusable.ts';
import { Debounce } from '../io/debounce.ts';
import { MOST_USERS, firstOf, mergedUsers, withUnreported } from '../core/users/index.ts';
import type { HeavyUsers, UserWindow } from '../core/users/index.ts';
import { isSiteOnly, makeLinkLocal, parsePrefix } from '../wire/index.ts';
import type { Ipv4, Ipv6, Ipv6Prefix } from '../wire/index.ts';
import { inTurns } from '../io/kernel-path/in-turns.ts';
import { Driver } from './driver.ts';
import { FailureWarnings } from './failure-warnings.ts';
import { readHandover, relayState } from './handover-state.ts';
import { HandoverUse } from './handover-use.ts';
import { LimitLog } from './limit-log.ts';
import { sumOf } from './port-counters.ts';
import { checkRelayLimits, checkRelaySettings, checkRelayWorkers } from './settings/check.ts';
import { StartOnce } from './start-once.ts';
import { DataPathUse } from './data-path-use.ts';
import { SOMEWHERE } from './local-network.ts';
import { InterfaceConfig, addressSetting, routeSetting } from './interface-config.ts';
import type { InterfaceSetting } from './interface-config.ts';
import { followHost, makeRelayMachine } from './relay-machine.ts';
import type { RelayHost } from './relay-machine.ts';
import type { RelaySnapshot } from './status.ts';
import type { DataPath, DataPathWish } from './data-path-use.ts';
import type { RecordedPeer } from './workers/peer-records.ts';
import { readBy, receivedBy, withCounters, withPeers, withTraffic } from './workers/relay-shown.ts';
import { RelayWorkers } from './workers/relay-workers.ts';
import { rehearseRelay } from './warming/rehearse-relay.ts';
import { warmUp } from './warming/warm-up.ts';

export interface RelaySettings {
  /** The outer IPv4 address; 0 leaves it to the system (for a host-specific relay behind a NAT). */
  readonly address: Ipv4;
  /** The address to which a 1:1 NAT in front of this host translates `address`; nothing is sent there. Default: `address`. */
  readonly announce?: Ipv4 | undefined;
  readonly port: number;
  readonly interface: string;
  /** Native prefixes served; for a host-specific relay leave it out: the host's own addresses, as they come and go. */
  readonly serve?: readonly Ipv6Prefix[] | undefined;
  /**
   * Send bubbles straight to clients, too, which opens a NAT in front of this host. Default `auto`: while the local address is none of the
   * Internet's and `announce` names no other. RFC 4380 section 5.4.1, H-7
   */
  readonly directBubbles?: boolean | 'auto' | undefined;
  readonly trustCone?: boolean | undefined;
  readonly allowPrivate?: boolean | undefined;
  /** Pass packets on between clients that cannot reach each other (docs/adr/0017). Default false. */
  readonly meet?: boolean | undefined;
  /** Which clients are served at first, by IPv4 address; all unless given. {@link Relay.setAccess} changes it. */
  readonly access?: AccessList | undefined;
  readonly limits?: RelayLimits | undefined;
  /** The data path of the packets of verified clients. Default `auto`: the kernel where it can (adr/0014). */
  readonly dataPath?: DataPathWish | undefined;
  /** Whether the kernel path begins in the drivers of interfaces (XDP). Default `auto`: where the host's other traffic loses nothing by it. */
  readonly xdp?: XdpWish | undefined;
  /** Whether the kernel path merges TCP segments that come out of datagrams. Default `auto`: where the interface by which they come merges packets, too. */
  readonly merge?: MergeWish | undefined;
  /** Threads that share the clients (adr/0029). With several the user path carries all packets. Default 1. */
  readonly workers?: number | undefined;
}

export interface RelayEvents {
  /** Something that a person should look at; `limit`: a limit is reached. */
  warning: [message: string, kind?: 'limit'];
  'data-path': [DataPath];
  /** The announcement is withdrawn ({@link Relay.withdraw}); once. */
  withdrawn: [];
  lost: [Error];
}

/** Peers of a predecessor: less than a millisecond's work. */
const ADOPTED_AT_ONCE = 256;
/** Packets of a predecessor, each of which may begin a contact: the same. */
const HANDLED_AT_ONCE = 32;

const TEREDO = parsePrefix('2001::/32')!;
/** All native IPv6 there is; 2001::/32 is excepted by the machine. */
export const ALL_NATIVE: readonly Ipv6Prefix[] = [parsePrefix('2000::/3')!];

/** A running Teredo relay, or host-specific relay. */
export class Relay extends EventEmitter<RelayEvents> {
  readonly settings: RelaySettings;
  /** How many trusted peers this relay has taken over from a predecessor. */
  adoptedPeers = 0;
  private readonly ports: PortFactory;
  private readonly machine: RelayMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly kernelPath: DataPathUse;
  private readonly startOnce = new StartOnce('Relay');
  private readonly debounce: Debounce;
  private readonly limitLog: LimitLog;
  private monitor: NetworkMonitor | undefined;
  private interfaceConfig: InterfaceConfig | undefined;
  private readonly handover: HandoverUse;
  private isToWithdraw = false;
  private isWithdrawalSaid = false;
  private localPort = 0;
  private failureWarnings: FailureWarnings | undefined;
  private readonly workers: RelayWorkers | undefined;

  /** Throws a SettingsError for a setting that cannot be. */
  constructor(settings: RelaySettings, ports: PortFactory) {
    super();
    checkRelaySettings(settings);
    this.settings = settings;
    this.ports = ports;
    this.policy = new AddressPolicy({
      allowPrivate: settings.allowPrivate ?? false,
      subnets: ports.network.ipv4Subnets(),
    });
    this.machine = makeRelayMachine(
      settings,
      {
        host: this.host,
        policy: this.policy,
        access: settings.access,
        limits: relayWorkersPart(settings.limits ?? RELAY_LIMITS, this.workerCount),
        bfdAddress: settings.serve && GATEWAY, // a host-specific relay is not announced
      },
      ports.entropy,
    );
    const { machine } = this;
    const { peers } = machine;
    this.handover = new HandoverUse(ports.handover, ports.clock, {
      begin: (now) => relayState(peers, now, () => machine.waitingPackets()),
      get peers() {
        return peers.trustedCount;
      },
    });
    this.driver = new Driver(this.machine, ports.clock, () => {});
    const wish = this.workerCount > 1 ? 'user' : settings.dataPath;
    this.kernelPath = new DataPathUse(wish, this.driver, this.machine, ports.clock, (path) =>
      this.emit('data-path', path),
    );
    this.limitLog = new LimitLog(this.machine.limitHits, ports.clock, (line) =>
      this.emit('warning', line, 'limit'),
    );
    this.driver.onLimit = () => this.limitLog.trigger();
    this.debounce = new Debounce(ports.clock, () => this.networkChanged());
    if (this.workerCount > 1)
      this.workers = new RelayWorkers(ports, this.workerCount, this.machine.limitHits, {
        onLost: (reason) => this.emit('lost', reason),
        onWarning: (message) => this.emit('warning', message),
        onLimit: () => this.limitLog.trigger(),
      });
  }

  private get workerCount(): number {
    return this.settings.workers ?? 1;
  }

  /** Opens socket and interface and routes 2001::/32 into it. Rejects with the reason if it cannot. */
  async start(): Promise<void> {
    this.startOnce.begin();
    const { settings, ports, driver } = this;
    warmUp(ports, rehearseRelay);
    const onWarning = (message: string): void => void this.emit('warning', message);
    this.failureWarnings = new FailureWarnings(ports.clock, onWarning);
    try {
      const left = this.handover.read(readHandover);
      const adopting = inTurns(ports.clock, this.adopt(left?.peers ?? []));
      if (adopting !== undefined) await adopting;
      this.startOnce.goOn();
      const { udp, tun } = this.openTunnel();
      this.localPort = udp.local.port;
      this.attach(udp, tun);
      if (this.workers !== undefined) await this.startWorkers(this.workers, tun.name);
      this.startOnce.goOn();
      // They came before those that wait in the interface's queue, which is read in later turns: of very many the last ones come between these.
      const handling = inTurns(ports.clock, this.handleLeft(left?.packets ?? []));
      if (handling !== undefined) await handling;
      this.startOnce.goOn();
      this.interfaceConfig = new InterfaceConfig(tun.name, ports.tunnelHost, onWarning, () =>
        this.debounce.again(),
      );
      await this.interfaceConfig.begin(this.isToWithdraw ? WITHDRAWN : SETTINGS, [...SETTINGS, ...WITHDRAWN]);
      this.startOnce.goOn();
      this.kernelPath.start({
        open: () =>
          ports.openKernelPath({
            tunnel: tun.name,
            local: udp.local,
            role: 'relay',
            peers: this.machine.limits.peers.trusted,
            limitHits: this.machine.limitHits,
            xdp: settings.xdp,
            merge: settings.merge,
            forwards: settings.serve !== undefined,
          }),
        configure: (kernelPath) => kernelPath.setServed(this.served),
        removeLeft: () => ports.removeLeftInterfaces?.(tun.name),
        udp,
      });
      this.monitor = ports.openNetworkMonitor();
      this.monitor.start(() => this.debounce.trigger());
      this.debounce.now(); // a change since the start began, which the monitor has not seen
      this.handover.start();
      driver.request(() => this.machine.begin());
    } catch (error) {
      await this.close();
      throw refusalOf(error);
    }
  }

  private adopt(known: Iterable<KnownPeer>): Generator<void> {
    return inSteps(known, ADOPTED_AT_ONCE, (some) =>
      this.driver.request((now) => (this.adoptedPeers += this.machine.adopt(some, now))),
    );
  }

  private handleLeft(packets: Iterable<Uint8Array>): Generator<void> {
    return inSteps(packets, HANDLED_AT_ONCE, (some) => this.driver.handleLeft(some));
  }

  /** Socket and interface; of several workers, those of the first. */
  private openTunnel(): { readonly udp: Udp; readonly tun: Tun } {
    const { settings, ports, workers } = this;
    const options = { address: settings.address, port: settings.port, runs: true };
    if (workers !== undefined) return workers.open(settings.interface, options);
    const udp = ports.openUdp(options);
    try {
      return { udp, tun: ports.openTun(settings.interface) };
    } catch (error) {
      udp.close();
      throw error;
    }
  }

  /** Leaves nothing open that is not the driver's. */
  private attach(udp: Udp, tun: Tun): void {
    try {
      this.driver.attachUdp(RELAY_SOCKET.service, udp);
    } catch (error) {
      tun.close();
      throw error;
    }
    this.driver.attachTun(tun, (error) => this.emit('lost', error));
  }

  private startWorkers(workers: RelayWorkers, tunnel: string): Promise<void> {
    const { settings, ports, machine, localPort } = this;
    const { address, trustCone, allowPrivate } = settings;
    return workers.start(
      { port: localPort, trustCone, allowPrivate },
      { interface: tunnel, address },
      {
        access: machine.access,
        limits: relayWorkersPart(settings.limits ?? RELAY_LIMITS, this.workerCount),
        host: this.host,
        subnets: ports.network.ipv4Subnets(),
      },
    );
  }

  /** Frozen: the relay at this moment. */
  status(): RelaySnapshot {
    const machine = this.machine.status(this.driver.now);
    const shown = this.workers?.shown ?? [];
    const { receivedDatagrams, receivedPackets } = this.machine.counters;
    return Object.freeze({
      ...machine,
      port: this.port,
      dataPath: this.dataPath,
      peers: withPeers(machine.peers, shown),
      traffic: withTraffic(this.kernelPath.withCarried(machine.traffic), shown),
      carried: this.kernelPath.totals,
      limitsReached: this.limitLog.recent,
      counters: Object.freeze(this.counters),
      portCounters: Object.freeze(sumOf(this.driver.portCounters, this.workers?.portCounters ?? {})),
      workers: Object.freeze([
        { receivedDatagrams, receivedPackets },
        ...shown.map((one) => ({ receivedDatagrams: receivedBy(one), receivedPackets: readBy(one) })),
      ]),
    });
  }

  get port(): number {
    return this.localPort;
  }

  /** Of all workers together. */
  get counters(): Readonly<Record<string, number>> {
    return withCounters(this.machine.counters, this.workers?.shown ?? []);
  }

  /** The data path of the packets of verified clients. */
  get dataPath(): DataPath {
    if (this.workers === undefined || this.settings.dataPath === 'user') return this.kernelPath.dataPath;
    return { kind: 'user', reason: 'several workers carry packets on the user path only' };
  }

  /** Reads the reports of the kernel; or asks other workers for their peers, which {@link otherPeers} has afterwards. Rejects if one does not answer. */
  async gatherPeers(): Promise<void> {
    await (this.workers === undefined ? this.kernelPath.reportAll() : this.workers.gatherPeers());
  }

  /** Peers of the other workers, as {@link gatherPeers} found them. Those of the first are in {@link peers}. */
  *otherPeers(): Generator<RecordedPeer> {
    if (this.workers !== undefined) yield* this.workers.peers();
  }

  get otherPeerCount(): number {
    return this.workers?.peerCount ?? 0;
  }

  /** As {@link gatherPeers}, for {@link users} of a window. */
  async gatherUsers(window: UserWindow): Promise<void> {
    await (this.workers === undefined ? this.kernelPath.reportAll() : this.workers.gatherUsers(window));
  }

  /** How far the packets of the peer with this address are carried by the kernel. */
  carriedPathOf(peer: Ipv6): CarriedPath {
    return this.kernelPath.pathOf(peer);
  }

  /** Traffic of the peer with this address up to now, on both data paths; undefined: there is no such peer. */
  trafficOf(peer: Ipv6): PeerTraffic | undefined {
    return this.kernelPath.trafficOf(peer);
  }

  /** See {@link DataPathUse.unreportedOctets}. */
  unreportedOctets(see: (peer: Ipv6, octets: number) => void): Generator<void> {
    return this.kernelPath.unreportedOctets(see);
  }

  /**
   * The clients and native prefixes with the most traffic over the last minute, hour or day, on both data paths: at most `most` of each, and
   * at most 256. Memory is constant, so counts may be estimates; each has its largest error.
   */
  users(window: UserWindow, most = MOST_USERS): HeavyUsers {
    const { kernelPath, driver } = this;
    kernelPath.report();
    const { now } = driver;
    const own = this.machine.usersOver(window, MOST_USERS, now);
    if (this.workers !== undefined) return mergedUsers([own, ...this.workers.users(window)], most);
    return firstOf(
      withUnreported(own, (peer) => kernelPath.unreportedOf(peer), now),
      most,
    );
  }

  /** As {@link Client.setDataPath}. With several workers there is the user path only. */
  setDataPath(wish: DataPathWish): void {
    if (this.workers === undefined) this.kernelPath.set(wish);
    else checkRelayWorkers({ ...this.settings, dataPath: wish });
  }

  /** Which clients are served, by IPv4 address. */
  get access(): AccessList {
    return this.machine.access;
  }

  /** From now on only these clients are served: others are forgotten, and the kernel no longer carries their packets. */
  setAccess(access: AccessList): void {
    this.driver.request((now) => this.machine.setAccess(access, now));
    this.workers?.change({ access });
  }

  /** From now on these limits hold, in the kernel too. A lower number of peers removes none at once. */
  setLimits(limits: RelayLimits): void {
    checkRelayLimits(limits, this.workerCount);
    const before = this.machine.limits.peers.trusted;
    const part = relayWorkersPart(limits, this.workerCount);
    this.machine.setLimits(part);
    this.workers?.change({ limits: part });
    if (limits.peers.trusted > before) this.kernelPath.reopen();
  }

  /** Whether the packets of a peer of {@link peers} may be carried by the kernel. */
  isOffloaded(peer: number): boolean {
    return this.machine.isOffloaded(peer);
  }

  get peers(): PeerTable {
    return this.machine.peers;
  }

  /** Milliseconds on the clock of the peer table. */
  get now(): number {
    return this.driver.now;
  }

  /** Stops, and takes away interface and route. Harmless when repeated. */
  async close(): Promise<void> {
    this.startOnce.end();
    const writing = this.handover.prepareClose();
    if (writing !== undefined) await writing;
    this.monitor?.close();
    this.debounce.close();
    this.failureWarnings?.close();
    this.kernelPath.leave();
    this.handover.close();
    this.kernelPath.close();
    this.driver.close();
    await this.workers?.close();
    this.limitLog.close(); // the workers' last reports are in it
    await this.interfaceConfig?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Takes the route 2001::/32 from the interface, so that a routing daemon that announces it withdraws it. Its halves stay, so that the packets
   * that still come are carried. A relay that has not started yet does not announce the route. Resolves with {@link isWithdrawn}: if the system
   * refuses, it is tried again.
   */
  async withdraw(): Promise<boolean> {
    this.isToWithdraw = true;
    this.driver.request((now) => this.machine.withdraw(now));
    await this.arrangeInterface();
    return this.isWithdrawn;
  }

  /**
   * The announcement is withdrawn ({@link withdraw}). The kernel is asked: a predecessor's interface may announce the route before the start, and
   * another program may have added it.
   */
  get isWithdrawn(): boolean {
    if (!this.isToWithdraw) return false;
    const name = this.interfaceConfig?.iface ?? this.settings.interface;
    const state = this.ports.tunnelHost.tunnelState(name);
    return state === undefined || !ANNOUNCED.isIn(state);
  }

  private async arrangeInterface(): Promise<void> {
    const { interfaceConfig } = this;
    const arrange = (): Promise<void> | undefined =>
      interfaceConfig?.arrange(() => this.settingsOf(interfaceConfig));
    await arrange();
    // A withdrawal has two steps.
    if (this.isToWithdraw) await arrange();
    if (!this.isWithdrawn || this.isWithdrawalSaid) return;
    this.isWithdrawalSaid = true;
    this.emit('withdrawn');
  }

  /** An announced route stays until its halves are there. */
  private settingsOf(present: InterfaceConfig): readonly InterfaceSetting[] {
    if (!this.isToWithdraw) return SETTINGS;
    const isReplaced = HALVES.every((half) => present.has(half));
    return isReplaced || !present.has(ANNOUNCED) ? WITHDRAWN : [...SETTINGS, ...HALVES];
  }

  private networkChanged(): void {
    const subnets = this.ports.network.ipv4Subnets();
    this.policy.setSubnets(subnets);
    const { host } = this;
    followHost(this.machine, host);
    this.workers?.change({ host, subnets });
    void this.arrangeInterface();
    if (this.settings.serve === undefined) this.kernelPath.port?.setServed(host.served);
  }

  private get host(): RelayHost {
    const { settings, ports } = this;
    return {
      served: this.served,
      errorSource: errorSource(ports.network.globalIpv6()),
      own: ownAddresses(settings, ports),
      directBubbles: this.sendsDirectBubbles,
    };
  }

  /** Whether bubbles go straight to clients, too. */
  get sendsDirectBubbles(): boolean {
    const { directBubbles = 'auto', announce, address } = this.settings;
    if (directBubbles !== 'auto') return directBubbles;
    if (announce !== undefined) return false;
    const { network } = this.ports;
    const source = address || network.sourceAddress(SOMEWHERE);
    const addresses = source === undefined ? network.ipv4Subnets().map((subnet) => subnet.address) : [source];
    const own = addresses.filter((one) => !isLoopback(one));
    return own.length > 0 && own.every((one) => isShared(one) || !this.policy.isGlobalUnicast(one));
  }

  /** Without other orders those of a host-specific relay: the host's own addresses. H-5 */
  private get served(): readonly Ipv6Prefix[] {
    return this.settings.serve ?? hostPrefixes(this.ports.network.globalIpv6());
  }
}

/** Where a relay's tunnel end lives on its link. */
const LINK_LOCAL = makeLinkLocal({ flags: 0, mappedPort: 0xffff, mappedAddress: 0xfffffffe });

/**
 * Only BFD is answered there: the tunnel sends packets by their destination, not by the next hop. With a gateway the kernel needs one neighbour
 * entry; without, it makes and throws away one for nearly each packet as soon as there are more clients than it keeps neighbours (1,024).
 */
const GATEWAY = makeLinkLocal({ flags: 0, mappedPort: 0xffff, mappedAddress: 0xfffffffd });

const OWN_ADDRESS = addressSetting({ address: LINK_LOCAL, prefixLength: 64 });
const routeOf = ({ address: destination, length: prefixLength }: Ipv6Prefix): InterfaceSetting =>
  routeSetting({ destination, prefixLength, gateway: GATEWAY });

const ANNOUNCED = routeOf(TEREDO);
const SETTINGS = [OWN_ADDRESS, ANNOUNCED];
/** Routes for the same addresses that are not announced. */
const HALVES = [parsePrefix('2001::/33')!, parsePrefix('2001:0:8000::/33')!].map(routeOf);
const WITHDRAWN = [OWN_ADDRESS, ...HALVES];

/** At most `most` of them at each step. */
function* inSteps<T>(all: Iterable<T>, most: number, handle: (some: T[]) => void): Generator<void> {
  let some: T[] = [];
  for (const one of all) {
    if (some.length === most) {
      handle(some);
      some = [];
      yield;
    }
    some.push(one);
  }
  handle(some);
}

/** The source address of a relay's ICMPv6 errors: a global address, else a unique local one, which routers pass on too; else this link's. */
function errorSource(addresses: readonly Ipv6[]): Ipv6 {
  return addresses.find((address) => !isSiteOnly(address, 0)) ?? addresses[0] ?? LINK_LOCAL;
}

function hostPrefixes(addresses: readonly Ipv6[]): Ipv6Prefix[] {
  return addresses.map((address) => ({ address, length: 128 }));
}

function ownAddresses(settings: RelaySettings, ports: PortFactory): Ipv4[] {
  const announced = settings.announce === undefined ? [] : [settings.announce];
  if (settings.address !== 0) return [settings.address, ...announced];
  return [...ports.network.ipv4Subnets().map(({ address }) => address), ...announced];
}
