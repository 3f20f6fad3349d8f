import { EventEmitter } from 'node:events';
import type { AccessList } from '../core/access-list.ts';
import { AddressPolicy } from '../core/address-policy.ts';
import { SERVER_LIMITS, SERVER_SOCKET, partOf, workersPart } from '../core/server/index.ts';
import type { ClientKey, ServerLimits, ServerMachine, SharedWork } from '../core/server/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import { countSystemFailure, isShortage } from '../io/system-failures.ts';
import type { CancelTimer, NetworkMonitor, ServerPath, ServerWork, Udp, XdpWish } from '../io/ports.ts';
import { EnvironmentError } from '../io/errors.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { refusalOf } from '../io/refusable.ts';
import { Debounce } from '../io/debounce.ts';
import { Driver } from './driver.ts';
import { FailureWarnings } from './failure-warnings.ts';
import { LimitLog } from './limit-log.ts';
import type { DataPath, DataPathWish } from './data-path-use.ts';
import { sumOf } from './port-counters.ts';
import { keyOf } from './server-keys.ts';
import type { ServerKeys } from './server-keys.ts';
import { announcedBy, makeServerMachine } from './server-machine.ts';
import type { ServerSnapshot } from './status.ts';
import { ServerWorkers } from './workers/server-workers.ts';
import { checkServerLimits, checkServerSettings } from './settings/check.ts';
import { StartOnce } from './start-once.ts';
import { rehearseClient } from './warming/rehearse-client.ts';
import { warmUp } from './warming/warm-up.ts';

export interface ServerSettings {
  /** Of this host. */
  readonly address: Ipv4;
  /** Of this host. Without one, clients cannot find out whether their NAT is symmetric. */
  readonly secondary?: Ipv4 | undefined;
  /** The address to which a 1:1 NAT in front of this host translates `address`, for clients to know the server by. Default: `address`. */
  readonly announce?: Ipv4 | undefined;
  /** The same for `secondary`: needed where both `announce` and `secondary` are given. Default: `secondary`. */
  readonly announceSecondary?: Ipv4 | undefined;
  readonly mtu?: boolean | undefined;
  /** Secure qualification: only clients with a known identifier are answered. Several workers need the map. */
  readonly keys?: ((clientId: Uint8Array) => ClientKey | undefined) | ServerKeys | undefined;
  /** Forward connectivity tests to native hosts; needs a raw socket. Default true. */
  readonly native?: boolean | undefined;
  readonly allowPrivate?: boolean | undefined;
  /** Which IPv4 addresses are served at first; all unless given. {@link Server.setAccess} changes it. */
  readonly access?: AccessList | undefined;
  readonly limits?: ServerLimits | undefined;
  /** The data path that answers solicitations and forwards bubbles. Default `auto`: the kernel where it can (adr/0015). */
  readonly dataPath?: DataPathWish | undefined;
  /** Threads that share the work of this process (adr/0029). Default 1. */
  readonly workers?: number | undefined;
  /** Whether the kernel path begins in the drivers of interfaces. Default: `auto`. */
  readonly xdp?: XdpWish | undefined;
}

/** The kernel's part of an address's limit, where the kernel does its part of the work; this process has the rest. */
const KERNELS_PART = 3 / 4;

/** Until a kernel path is tried again that descriptors or memory were short for. */
const PATH_AGAIN_MS = 15_000;

export interface ServerEvents {
  /** The data path has changed. */
  'data-path': [DataPath];
  /** Something that a person should look at; `limit`: a limit is reached. */
  warning: [message: string, kind?: 'limit'];
  /** A worker has ended, and its part of the clients is not served: close the server, and make a new one. */
  lost: [reason: Error];
}

/** A running Teredo server. */
export class Server extends EventEmitter<ServerEvents> {
  readonly settings: ServerSettings;
  private readonly ports: PortFactory;
  private readonly machine: ServerMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly limitLog: LimitLog;
  private readonly startOnce = new StartOnce('Server');
  private monitor: NetworkMonitor | undefined;
  private failureWarnings: FailureWarnings | undefined;
  private readonly debounce: Debounce;
  private cancelAgain: CancelTimer | undefined;
  private serverPath: ServerPath | undefined;
  private path: DataPath = { kind: 'user' };
  /** The machine's present part of each limit. */
  private readonly parts: Record<SharedWork, number> = { answers: 1, forwarded: 1 };
  /** Of all workers and the kernel together. */
  private limits: ServerLimits;
  private keys: ServerSettings['keys'];
  private readonly workers: ServerWorkers | undefined;

  /** Throws a SettingsError for a setting that cannot be. */
  constructor(settings: ServerSettings, ports: PortFactory) {
    super();
    checkServerSettings(settings);
    this.settings = settings;
    this.ports = ports;
    this.policy = new AddressPolicy({
      allowPrivate: settings.allowPrivate ?? false,
      subnets: ports.network.ipv4Subnets(),
    });
    this.limits = settings.limits ?? SERVER_LIMITS;
    this.keys = settings.keys;
    const parts = {
      policy: this.policy,
      keys: settings.keys && keyOf(() => this.keys),
      access: settings.access,
      limits: workersPart(this.limits, this.workerCount),
    };
    this.machine = makeServerMachine(settings, parts, ports.entropy);
    this.driver = new Driver(this.machine, ports.clock, () => {});
    this.limitLog = new LimitLog(this.machine.limitHits, ports.clock, (line) =>
      this.emit('warning', line, 'limit'),
    );
    this.driver.onLimit = () => this.limitLog.trigger();
    this.debounce = new Debounce(ports.clock, () => this.networkChanged());
    if (this.workerCount > 1)
      this.workers = new ServerWorkers(ports, this.workerCount, this.machine.limitHits, {
        onLost: (reason) => this.emit('lost', reason),
        onWarning: (message) => this.emit('warning', message),
        onLimit: () => this.limitLog.trigger(),
      });
  }

  /** The addresses that clients know the server by. */
  get announced(): { readonly primary: Ipv4; readonly secondary: Ipv4 | undefined } {
    return announcedBy(this.settings);
  }

  private get workerCount(): number {
    return this.settings.workers ?? 1;
  }

  /** Frozen: the server at this moment. Its counters are of process and kernel together. */
  status(): ServerSnapshot {
    const machine = this.machine.status(this.driver.now);
    const { announced, dataPath } = this;
    return Object.freeze({
      ...machine,
      announced,
      dataPath,
      kernelCounters: this.serverPath?.counters,
      answersInDriver: this.answersInDriver,
      limitsReached: this.limitLog.recent,
      counters: Object.freeze(this.counters),
      portCounters: Object.freeze(this.portCounters),
      workers: Object.freeze([
        { receivedDatagrams: this.machine.counters.receivedDatagrams },
        ...(this.workers?.received ?? []).map((receivedDatagrams) => ({ receivedDatagrams })),
      ]),
    });
  }

  /** Of process and kernel together. */
  get counters(): Readonly<Record<string, number>> {
    return sumOf(this.ownCounters, this.serverPath?.counters ?? {});
  }

  /** Of the process: of all workers. */
  private get ownCounters(): Record<string, number> {
    return sumOf(this.machine.counters, this.workers?.counters ?? {});
  }

  private get portCounters(): Record<string, number> {
    return sumOf(this.driver.portCounters, this.workers?.portCounters ?? {});
  }

  /** The data path that answers solicitations and forwards bubbles; where it is not the kernel, the reason, unless it was asked for. */
  get dataPath(): DataPath {
    return this.path;
  }

  /** Whether the drivers of interfaces answer solicitations, or why not; undefined where the kernel answers none. */
  private get answersInDriver(): true | string | undefined {
    return this.serverPath?.work.answers === true ? (this.serverPath.withoutXdp ?? true) : undefined;
  }

  /** Which IPv4 addresses are served. */
  get access(): AccessList {
    return this.machine.access;
  }

  /** From now on only these addresses are served and forwarded to, by the kernel too. */
  setAccess(access: AccessList): void {
    this.machine.setAccess(access);
    this.workers?.change({ access });
    if (this.serverPath === undefined) return;
    this.serverPath.setAccess(access);
    this.workChanged();
  }

  /** From now on these limits hold, in the kernel too. */
  setLimits(limits: ServerLimits): void {
    checkServerLimits(limits, this.workerCount);
    this.limits = limits;
    const part = workersPart(limits, this.workerCount);
    this.machine.setLimits(part);
    this.workers?.change({ limits: part });
    this.serverPath?.setLimits(kernelsPart(limits));
  }

  /** From now on these keys hold, of a server that has keys since its start. */
  setKeys(keys: ServerKeys): void {
    this.keys = keys;
    this.workers?.change({ keys });
  }

  /** Opens the sockets and serves. Rejects with the reason if it cannot. */
  async start(): Promise<void> {
    this.startOnce.begin();
    const { settings, ports, driver } = this;
    warmUp(ports, rehearseClient);
    this.failureWarnings = new FailureWarnings(ports.clock, (message) => this.emit('warning', message));
    try {
      driver.attachUdp(SERVER_SOCKET.primary, this.openUdp(settings.address));
      if (settings.secondary !== undefined)
        driver.attachUdp(SERVER_SOCKET.secondary, this.openUdp(settings.secondary));
      if (settings.native ?? true) driver.attachRaw(ports.openRawIpv6());
      // Before the workers: a change while they start reaches them, too.
      this.monitor = ports.openNetworkMonitor();
      this.monitor.start(() => this.debounce.trigger());
      this.networkChanged();
      await this.startWorkers();
      this.startOnce.goOn();
      this.openServerPath();
    } catch (error) {
      await this.close();
      throw refusalOf(error);
    }
  }

  async close(): Promise<void> {
    this.startOnce.end();
    this.monitor?.close();
    this.debounce.close();
    this.cancelAgain?.();
    this.failureWarnings?.close();
    this.serverPath?.leave?.();
    this.serverPath?.close();
    this.driver.close();
    await this.workers?.close();
    this.limitLog.close();
  }

  private openUdp(address: Ipv4): Udp {
    const options = { address, port: TEREDO_PORT };
    return this.workers === undefined ? this.ports.openUdp(options) : this.workers.openUdp(options);
  }

  private async startWorkers(): Promise<void> {
    const { settings, keys, parts, machine } = this;
    if (this.workers === undefined) return;
    const { address, secondary, announce, announceSecondary, mtu, native, allowPrivate } = settings;
    await this.workers.start(
      { address, secondary, announce, announceSecondary, mtu, native, allowPrivate },
      {
        access: machine.access,
        limits: workersPart(this.limits, this.workerCount),
        parts,
        keys: typeof keys === 'function' ? undefined : keys,
        subnets: this.ports.network.ipv4Subnets(),
      },
    );
  }

  private networkChanged(): void {
    const subnets = this.ports.network.ipv4Subnets();
    this.policy.setSubnets(subnets);
    this.workers?.change({ subnets });
  }

  private openServerPath(): void {
    const { settings, ports, machine } = this;
    const wish = settings.dataPath ?? 'auto';
    if (wish === 'user') return;
    try {
      this.serverPath = ports.openServerPath({
        primary: settings.address,
        secondary: settings.secondary,
        announced: this.announced,
        advertisement: machine.advertisement,
        answers: settings.keys === undefined,
        allowPrivate: settings.allowPrivate ?? false,
        access: machine.access,
        limits: kernelsPart(this.limits),
        xdp: settings.xdp,
        arrived: () => this.arrived,
        limitHits: machine.limitHits,
        onLimit: () => this.limitLog.trigger(),
      });
    } catch (error) {
      if (wish === 'kernel' || !(error instanceof EnvironmentError)) throw error;
      this.path = { kind: 'user', reason: error.message };
      countSystemFailure(error);
      if (isShortage(error)) this.openServerPathLater();
      return;
    }
    this.share(this.serverPath.work);
    if (wish === 'kernel' && this.path.kind === 'user')
      throw new EnvironmentError('no-kernel-path', this.path.reason ?? 'the kernel has nothing to do here');
    this.serverPath.start(() => this.workChanged());
  }

  /** Descriptors or memory were short. */
  private openServerPathLater(): void {
    const { clock } = this.ports;
    this.cancelAgain = clock.setTimer(clock.now() + PATH_AGAIN_MS, () => {
      this.openServerPath();
      if (this.serverPath !== undefined) this.emit('data-path', this.path);
    });
  }

  private workChanged(): void {
    const before = JSON.stringify(this.path);
    this.share(this.serverPath!.work);
    if (JSON.stringify(this.path) !== before) this.emit('data-path', this.path);
  }

  /** Work in which the kernel has no part is done here, with its whole limit. */
  private share({ answers, forwards, reason, unknown }: ServerWork): void {
    this.take('answers', answers);
    this.take('forwarded', forwards);
    if (answers || forwards)
      this.path = unknown === undefined ? { kind: 'kernel' } : { kind: 'kernel', unknown };
    else this.path = reason === undefined ? { kind: 'user' } : { kind: 'user', reason };
  }

  /** Of the datagrams that the kernel leaves to this process. EPERM is the answer of the host's own rules. */
  private get arrived(): number {
    const { ownCounters } = this;
    const refused = this.portCounters['udpSendFailures.EPERM'] ?? 0;
    return ARRIVED.reduce((sum, name) => sum + ownCounters[name]!, -refused);
  }

  private take(work: SharedWork, isShared: boolean): void {
    const part = isShared ? 1 - KERNELS_PART : 1;
    if (this.parts[work] === part) return;
    this.parts[work] = part;
    this.machine.takePart(work, part);
    this.workers?.change({ parts: this.parts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Counters of the datagrams of the kinds that the kernel decides. */
const ARRIVED = [
  'solicitationsAnswered',
  'forwardedToClients',
  'droppedAnswerLimit',
  'droppedForwardLimit',
] as const;

function kernelsPart(limits: ServerLimits): ServerLimits {
  return partOf(limits, { answers: KERNELS_PART, forwarded: KERNELS_PART });
}
