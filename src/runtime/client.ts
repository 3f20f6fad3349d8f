import { EventEmitter } from 'node:events';
import { AddressPolicy } from '../core/address-policy.ts';
import { CLIENT_LIMITS, ClientMachine, SOCKET } from '../core/client/index.ts';
import type { ClientLimits, ContactProgress, PeerStatus, ServerCandidate } from '../core/client/index.ts';
import type { ClientState, MachineEvent, QualificationReason } from '../core/events.ts';
import type { PeerTraffic } from '../core/peer-traffic.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { CarriedPath, NetworkMonitor, PortMapper, Udp } from '../io/ports.ts';
import { refusalOf } from '../io/refusable.ts';
import { Debounce } from '../io/debounce.ts';
import { countSystemFailure, isShortage, survive } from '../io/system-failures.ts';
import { formatIpv6 } from '../wire/index.ts';
import type { Endpoint, Ipv6 } from '../wire/index.ts';
import { clientState, readClient } from './client-handover.ts';
import { ClientInterface } from './client-interface.ts';
import { machineOptions } from './client-settings.ts';
import type { ClientEvents, ClientSettings } from './client-settings.ts';
import type { ClientSnapshot } from './status.ts';
import { Driver } from './driver.ts';
import { GatewayMapping } from './gateway-mapping.ts';
import { FailureWarnings } from './failure-warnings.ts';
import { DataPathUse } from './data-path-use.ts';
import type { DataPath, DataPathWish } from './data-path-use.ts';
import { HandoverUse } from './handover-use.ts';
import { HostWatch } from './host-watch.ts';
import { LimitLog } from './limit-log.ts';
import { sumOf } from './port-counters.ts';
import { RepeatedWarnings } from './repeated-warnings.ts';
import { ResolveAgain } from './resolve-again.ts';
import { NamedServers } from './servers.ts';
import { checkLimits } from './settings/check-limits.ts';
import { checkClientSettings, checkClientWorkers, checkServers } from './settings/check.ts';
import { StartOnce } from './start-once.ts';
import { SuspendWatch } from './suspend-watch.ts';
import { TunnelGuard } from './tunnel-guard.ts';
import { untilQualified } from './until-qualified.ts';
import { rehearseClient } from './warming/rehearse-client.ts';
import { warmUp } from './warming/warm-up.ts';
import { shareOf, withCounters, withTraffic } from './workers/client-shown.ts';
import { ClientWorkers } from './workers/client-workers.ts';

/** Waits until the network has been quiet for this long before it looks at the changes. */
const NETWORK_SETTLE_MS = 300;

/**
 * A running Teredo client: its machine, sockets and tunnel interface.
 *
 *     const client = new Client({ servers, interface: 'teredo' }, kernelPorts());
 *     await client.start();
 *     await client.qualified();
 */
export class Client extends EventEmitter<ClientEvents> {
  /** How many trusted peers this client has taken over from a predecessor. */
  adoptedPeers = 0;
  private readonly settings: ClientSettings;
  private readonly ports: PortFactory;
  private readonly machine: ClientMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly kernelPath: DataPathUse;
  private readonly gateway: GatewayMapping;
  private readonly handover: HandoverUse;
  /** The mapping that a server saw last. */
  private lastMapped: Endpoint | undefined;
  private servers: readonly ServerCandidate[];
  private readonly names: NamedServers;
  private again: ResolveAgain | undefined;
  /** After a suspend, whether another network is seen or not. */
  private isNetworkNew = false;
  private monitor: NetworkMonitor | undefined;
  private udp: Udp | undefined;
  private tunnel: ClientInterface | undefined;
  private readonly host: HostWatch;
  private readonly debounce: Debounce;
  private readonly limitLog: LimitLog;
  private readonly repeatedWarnings: RepeatedWarnings;
  private readonly suspendWatch: SuspendWatch;
  private failureWarnings: FailureWarnings | undefined;
  /** The state that listeners know: `qualified` once the interface has its address and routes. */
  private told: { readonly state: ClientState; readonly reason: QualificationReason | undefined };
  private readonly startOnce = new StartOnce('Client');
  private readonly workers: ClientWorkers | undefined;
  private closed: Promise<void> | undefined;

  /** Opens no socket and no interface yet. Throws a SettingsError for a setting that cannot be. */
  constructor(settings: ClientSettings, ports: PortFactory) {
    super();
    checkClientSettings(settings);
    this.settings = settings;
    this.names = new NamedServers(settings.servers, settings.secondary);
    this.servers = this.names.candidates;
    this.ports = ports;
    this.policy = new AddressPolicy({ allowPrivate: settings.allowPrivate ?? false });
    this.host = new HostWatch(settings, ports, this.policy, this.servers[0]?.primary);
    this.machine = new ClientMachine(
      machineOptions(settings, this.servers, this.host.network, this.policy),
      ports.entropy,
    );
    const { state, reason } = this.machine.status(ports.clock.now());
    this.told = { state, reason };
    this.driver = new Driver(this.machine, ports.clock, (event) => this.handleEvent(event));
    const wish = this.workerCount > 1 ? 'user' : settings.dataPath;
    this.kernelPath = new DataPathUse(wish, this.driver, this.machine, ports.clock, (path) =>
      this.emit('data-path', path),
    );
    this.gateway = new GatewayMapping(
      ports.clock,
      ports.entropy,
      () => this.openPortMapper(),
      (mapping) => {
        this.driver.request((now) => this.machine.setGatewayMapping(mapping?.external, now));
        this.emit('port-mapping', mapping);
      },
    );
    const { machine } = this;
    this.handover = new HandoverUse(ports.handover, ports.clock, {
      begin: (now) => clientState(machine, now),
      get peers() {
        return machine.peerTable.trustedCount;
      },
    });
    this.limitLog = new LimitLog(this.machine.limitHits, ports.clock, (line) =>
      this.emit('warning', line, 'limit'),
    );
    this.driver.onLimit = () => this.limitLog.trigger();
    this.repeatedWarnings = new RepeatedWarnings(ports.clock, (message) => this.emit('warning', message));
    this.debounce = new Debounce(ports.clock, () => this.networkChanged(), NETWORK_SETTLE_MS);
    this.suspendWatch = new SuspendWatch(ports.clock, (ms) => this.resumed(ms));
    if (this.workerCount > 1) this.workers = this.makeWorkers();
  }

  private get workerCount(): number {
    return this.settings.workers ?? 1;
  }

  private makeWorkers(): ClientWorkers {
    const { ports, machine, driver } = this;
    const { trusted } = machine.limits.peers;
    return new ClientWorkers(ports, this.workerCount, trusted, machine.limitHits, {
      onLost: (reason) => this.emit('lost', reason),
      onWarning: (message) => this.emit('warning', message),
      onLimit: () => this.limitLog.trigger(),
      onLeft: ({ datagrams, packets }) => driver.takeOver(SOCKET.service, datagrams, packets),
      onCarried: ({ count, buffer, sentAt }) =>
        driver.request((now) => {
          for (let i = 0; i < count; i++)
            if (sentAt[i] !== -Infinity) machine.handleSentElsewhere(buffer, 16 * i, now);
        }),
    });
  }

  /** Opens socket and interface and begins to look for a server; once. Rejects with the reason if it cannot. */
  async start(): Promise<void> {
    this.startOnce.begin();
    const { settings, ports, driver } = this;
    warmUp(ports, rehearseClient);
    this.failureWarnings = new FailureWarnings(ports.clock, (message) => this.emit('warning', message));
    try {
      if (this.names.areThere) await this.resolveNames();
      const udp = this.openUdp();
      this.udp = udp;
      this.machine.setServicePort(udp.local.port);
      driver.attachUdp(SOCKET.service, udp);
      this.host.lookIfResting(this.tunnelName);
      const mapped = this.host.isResting ? undefined : this.gateway.begin();
      if (settings.interface !== undefined) {
        // The gateway is asked meanwhile.
        if (ports.tunnelReady !== undefined) await ports.tunnelReady;
        this.startOnce.goOn();
        const tun = this.workers?.tun ?? ports.openTun(settings.interface);
        const onWarning = (message: string): void => void this.emit('warning', message);
        const guard = new TunnelGuard(settings.inbound ?? 'accept', (text) =>
          this.repeatedWarnings.warn(text),
        );
        this.tunnel = new ClientInterface(
          tun.name,
          ports.tunnelHost,
          settings.defaultRoute ?? 'auto',
          guard,
          {
            onDefaultRoute: (on) => this.emit('default-route', on),
            onWarning,
            onFailure: () => this.debounce.again(),
          },
        );
        driver.attachTun(tun, (error) => this.emit('lost', error));
        guard.begin(() => ports.openTunnelRules(tun.name));
        const isSetUp = this.tunnel.setUp();
        // Nothing is awaited before: the first packet that is read may be of a peer that the predecessor knew.
        this.takeOver();
        await isSetUp;
        this.startOnce.goOn();
        if (this.workers !== undefined) await this.startWorkers(this.workers);
        this.kernelPath.start({
          open: () =>
            ports.openKernelPath({
              tunnel: tun.name,
              local: udp.local,
              role: 'client',
              peers: this.machine.limits.peers.trusted,
              limitHits: this.machine.limitHits,
              xdp: settings.xdp,
              merge: settings.merge,
            }),
          configure: (kernelPath) => kernelPath.setOwn(this.carriedAddress),
          removeLeft: () => ports.removeLeftInterfaces?.(tun.name),
          udp,
        });
      }
      if (mapped !== undefined) await mapped;
      this.startOnce.goOn();
      this.monitor = ports.openNetworkMonitor();
      this.monitor.start(() => this.debounce.trigger());
      this.suspendWatch.start();
      this.handover.start();
      this.lookOnceMore();
      this.restOrStart();
      this.handover.save();
    } catch (error) {
      await this.close();
      throw refusalOf(error);
    }
  }

  /** The socket; with several workers the interface is opened, too. */
  private openUdp(): Udp {
    const { settings, ports, workers } = this;
    const options = { address: settings.bind ?? 0, port: settings.port ?? 0, runs: true };
    return workers === undefined ? ports.openUdp(options) : workers.open(settings.interface!, options).udp;
  }

  private async startWorkers(workers: ClientWorkers): Promise<void> {
    const { driver, machine, settings } = this;
    const way = await workers.start(this.carriedAddress, settings.bind ?? 0);
    this.startOnce.goOn();
    driver.attachKernelPath(way, machine, () => {});
    workers.setOwn(this.carriedAddress);
  }

  /** Frozen: the client at this moment. */
  status(): ClientSnapshot {
    const machine = this.machine.status(this.driver.now);
    const shown = this.workers?.shown ?? [];
    const { receivedDatagrams, acceptedPackets: receivedPackets } = machine.counters;
    return Object.freeze({
      ...machine,
      ...this.told,
      server: this.serverInUse,
      port: this.port,
      portMapping: this.gateway.mapping,
      interface: this.interfaceName,
      defaultRoute: this.tunnel?.hasDefaultRoute ?? false,
      dataPath: this.dataPath,
      traffic: withTraffic(this.kernelPath.withCarried(machine.traffic), shown),
      carried: this.kernelPath.totals,
      limitsReached: this.limitLog.recent,
      counters: Object.freeze(this.counters),
      portCounters: Object.freeze(sumOf(this.driver.portCounters, this.workers?.portCounters ?? {})),
      workers: Object.freeze([
        { receivedDatagrams: receivedDatagrams!, receivedPackets: receivedPackets! },
        ...shown.map(shareOf),
      ]),
    });
  }

  /** `qualified` once address and routes are set too. */
  get state(): ClientState {
    return this.told.state;
  }

  /** The Teredo address, while qualified. */
  get address(): Ipv6 | undefined {
    return this.machine.address;
  }

  get port(): number {
    return this.udp?.local.port ?? 0;
  }

  get interfaceName(): string | undefined {
    return this.tunnel?.name;
  }

  /** Of all workers together. */
  get counters(): Readonly<Record<string, number>> {
    return withCounters(this.machine.counters, this.workers?.shown ?? []);
  }

  /** The data path of the packets of verified peers. */
  get dataPath(): DataPath {
    if (this.workers === undefined || this.settings.dataPath === 'user') return this.kernelPath.dataPath;
    return { kind: 'user', reason: 'several workers carry packets on the user path only' };
  }

  /** How far the packets of the peer with this address are carried by the kernel. */
  carriedPathOf(peer: Ipv6): CarriedPath {
    return this.kernelPath.pathOf(peer);
  }

  /** Traffic of the peer with this address up to now, on both data paths; undefined: there is no such peer. */
  trafficOf(peer: Ipv6): PeerTraffic | undefined {
    return this.kernelPath.trafficOf(peer);
  }

  /**
   * Has packets carried otherwise from now on; nothing is lost on the way. Throws an EnvironmentError where `kernel` cannot be: all
   * stays as it was then. With several workers there is the user path only.
   */
  setDataPath(wish: DataPathWish): void {
    if (this.workers === undefined) this.kernelPath.set(wish);
    else checkClientWorkers({ ...this.settings, dataPath: wish });
  }

  /** Milliseconds on the clock of {@link PeerStatus}. */
  get now(): number {
    return this.driver.now;
  }

  /** How far the search for a way to this address has come; undefined while not qualified. */
  progress(address: Ipv6): ContactProgress | undefined {
    return this.machine.progress(address, this.now);
  }

  /** Reads the reports of the kernel up to now: {@link trafficOf} then has them. */
  gatherPeers(): Promise<void> {
    return this.kernelPath.reportAll();
  }

  *peers(): Generator<PeerStatus> {
    for (const peer of this.peersInSteps()) if (peer !== undefined) yield peer;
  }

  /** As {@link peers}; undefined after some work without one, so that other work can be done before the next. */
  *peersInSteps(): Generator<PeerStatus | undefined> {
    const hasWorkers = this.workers !== undefined;
    // To workers, which carry on the user path.
    for (const peer of this.machine.peersInSteps(this.driver.now))
      yield hasWorkers && peer !== undefined ? { ...peer, offloaded: false } : peer;
  }

  /** The names were resolved again: a server that is the same stays in use. Throws a SettingsError for a server that cannot be. */
  setServers(servers: readonly ServerCandidate[]): void {
    checkServers(servers);
    this.servers = servers;
    this.driver.request((now) => this.machine.setServers(servers, now));
  }

  /** From now on these limits hold, in the kernel too; one that is left out is at its default. A lower number of peers removes none at once. */
  setLimits(limits: Partial<ClientLimits>): void {
    checkLimits(limits, CLIENT_LIMITS, { mayLackSome: true });
    const before = this.machine.limits.peers.trusted;
    this.machine.setLimits(limits);
    if (this.machine.limits.peers.trusted > before) this.kernelPath.reopen();
  }

  /** Begins to contact a peer; false where that cannot be. */
  contact(address: Ipv6): boolean {
    let begun = false;
    this.driver.request((now) => (begun = this.machine.contact(address, now)));
    return begun;
  }

  /** Resolves once the client is qualified, its address and routes set; rejects when `signal` aborts first. */
  qualified(signal?: AbortSignal): Promise<void> {
    return untilQualified(this, signal);
  }

  /** Stops, and takes away interface, addresses and routes. Harmless when repeated. */
  close(): Promise<void> {
    this.startOnce.end();
    this.closed ??= this.shutDown();
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async resolveNames(): Promise<void> {
    const servers = await this.names.resolve((message) => {
      if (this.closed === undefined) this.emit('warning', message);
    });
    this.startOnce.goOn();
    this.setServers(servers);
    this.host.look(this.servers[0]?.primary);
    this.tellNetwork();
    this.again = new ResolveAgain(this, servers, () => this.names.resolve(() => {}), this.ports.clock);
  }

  private async shutDown(): Promise<void> {
    const writing = this.handover.prepareClose();
    if (writing !== undefined) await writing;
    this.kernelPath.leave();
    if (this.workers !== undefined) await this.workers.drain();
    this.handover.close();
    this.again?.rest();
    this.debounce.close();
    this.suspendWatch.close();
    this.repeatedWarnings.close();
    this.limitLog.close();
    this.failureWarnings?.close();
    this.kernelPath.close();
    this.monitor?.close();
    this.driver.request((now) => this.machine.stop(now));
    this.driver.close();
    // At the same time: for a successor the interface keeps what it has.
    await Promise.all([this.workers?.close(), this.tunnel?.close(), this.gateway.close()]);
  }

  /** False: a socket that is wanted could not be opened, and the machine is to hear of it. */
  private handleEvent(event: MachineEvent): boolean {
    this.kernelPath.port?.setOwn(this.carriedAddress);
    this.workers?.setOwn(this.carriedAddress);
    switch (event.type) {
      case 'state':
        this.tell(() => {
          this.told = { state: event.state, reason: event.reason };
          this.emit('state', event.state, event.reason);
        });
        break;
      case 'address-added':
        this.handover.save();
        this.noteMapping(event.mapped);
        this.tunnel?.addAddress(event.address);
        this.tell(() => this.emit('address', event.address));
        break;
      case 'address-removed':
        this.handover.save();
        this.tunnel?.removeAddress(event.address);
        if (this.address === undefined) this.tell(() => this.emit('address', undefined));
        break;
      case 'socket-wanted':
        return this.openSocket(event.socket, event.port);
      case 'socket-unwanted':
        if (event.socket === SOCKET.discovery) this.driver.detachReceivers();
        else this.driver.detachUdp(event.socket);
        break;
      case 'key-expired':
        this.emit('warning', 'the server says that the key has expired: get a new one from its operator');
        break;
      case 'server-chosen':
      case 'refresh-interval':
        break; // shown by status only
      default:
        event satisfies never;
    }
    return true;
  }

  /** A NAT that has given up our mapping may have restarted, and the gateway's mapping is gone as well. */
  private noteMapping(mapped: Endpoint): void {
    const before = this.lastMapped;
    this.lastMapped = mapped;
    if (before === undefined) return;
    if (before.address !== mapped.address || before.port !== mapped.port) this.gateway.askAgain();
  }

  /** At once, or once the interface has the addresses and routes given so far: a listener may use them. */
  private tell(emit: () => void): void {
    if (this.tunnel === undefined) emit();
    else void this.tunnel.settled.then(() => survive(emit));
  }

  /** While not qualified nothing is carried, though the address may be kept. CL-4 */
  private get carriedAddress(): Ipv6 | undefined {
    return this.machine.state === 'qualified' ? this.address : undefined;
  }

  private openSocket(socket: number, port = 0): boolean {
    try {
      if (socket === SOCKET.discovery) {
        const local = this.host.network.localAddress;
        if (local !== undefined)
          this.driver.attachReceiver(socket, this.ports.openDiscovery(local, this.udp));
      } else {
        this.driver.attachUdp(
          socket,
          this.ports.openUdp({ address: this.settings.bind ?? 0, port, few: true }),
        );
      }
      return true;
    } catch (error) {
      // Without it the client continues: no neighbours found, or the default refresh interval kept, or no socket for a peer. A guess
      // wants hundreds.
      const message = error instanceof Error ? error.message : String(error);
      const isForPeer = socket >= SOCKET.firstOfPeers;
      this.repeatedWarnings.warn(isForPeer ? `no socket for a single peer: ${message}` : message);
      countSystemFailure(error);
      return !isForPeer && !isShortage(error);
    }
  }

  private get tunnelName(): string {
    return this.tunnel?.name ?? this.settings.interface ?? '';
  }

  /** Finds changes since the start began, which the monitor has not seen. Before the machine sends anything. */
  private lookOnceMore(): void {
    this.seeIfToRest();
    if (this.host.look(this.servers[0]?.primary)) this.tellNetwork();
  }

  /** Whether the client begins or ends to rest. The port that a gateway has opened is closed while it rests. */
  private seeIfToRest(): boolean {
    if (!this.host.lookIfResting(this.tunnelName)) return false;
    if (this.host.isResting) this.gateway.rest();
    else this.gateway.networkChanged();
    return true;
  }

  /** The interface that a predecessor left has its address. If the predecessor was qualified, packets of its peers are carried at once. */
  private takeOver(): void {
    const left = this.handover.read(readClient);
    const { address, qualification, peers } = left ?? {};
    if (address === undefined || this.host.isResting) return;
    this.driver.request((now) => {
      if (this.machine.adopt(address, qualification))
        this.adoptedPeers = this.machine.adoptPeers(peers!, now);
    });
  }

  private restOrStart(): void {
    const { isResting } = this.host;
    this.driver.request((now) => (isResting ? this.machine.rest(now) : this.machine.start(now)));
  }

  private tellNetwork(): void {
    this.driver.request((now) => this.machine.networkChanged(now, this.host.network));
  }

  /** Nothing may have changed here, but the NAT may have forgotten the mapping, and a gateway the port. */
  private resumed(suspendedMs: number): void {
    this.emit('resumed', suspendedMs);
    this.isNetworkNew = true;
    this.debounce.now();
  }

  private networkChanged(): void {
    if (this.seeIfToRest()) this.restOrStart();
    const isOther = this.host.look(this.servers[0]?.primary);
    this.tunnel?.networkChanged();
    if (!isOther && !this.isNetworkNew) return;
    this.isNetworkNew = false;
    this.tellNetwork();
    if (!this.host.isResting) this.gateway.networkChanged();
  }

  private get serverInUse(): ServerCandidate | undefined {
    const { server } = this.machine.status(this.driver.now);
    return server === undefined ? undefined : this.servers[server];
  }

  private openPortMapper(): PortMapper | undefined {
    const { portMapping, portMappingFile } = this.settings;
    const server = this.serverInUse ?? this.servers[0];
    if (portMapping === 'off' || server === undefined || this.udp === undefined) return undefined;
    const { local } = this.udp;
    return this.ports.openPortMapper({ local, destination: server.primary, file: portMappingFile });
  }

  /** The Teredo address in text, while there is one. */
  override toString(): string {
    return this.address === undefined ? this.state : formatIpv6(this.address);
  }
}
