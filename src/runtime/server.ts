import { EventEmitter } from 'node:events';
import type { AccessList } from '../core/access-list.ts';
import { AddressPolicy } from '../core/address-policy.ts';
import { SERVER_LIMITS, SERVER_SOCKET, ServerMachine, partOf } from '../core/server/index.ts';
import type { ClientKey, ServerLimits, SharedWork } from '../core/server/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import { countSystemFailure, isShortage } from '../io/system-failures.ts';
import type { CancelTimer, NetworkMonitor, ServerPath, ServerWork } from '../io/ports.ts';
import { EnvironmentError } from '../io/errors.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { refusalOf } from '../io/refusable.ts';
import { Debounce } from '../io/debounce.ts';
import { Driver } from './driver.ts';
import { FailureWarnings } from './failure-warnings.ts';
import { LimitLog } from './limit-log.ts';
import type { DataPath, DataPathWish } from './data-path-use.ts';
import type { ServerSnapshot } from './status.ts';
import { checkLimits } from './settings/check-limits.ts';
import { checkServerSettings } from './settings/check.ts';
import { StartOnce } from './start-once.ts';

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
  /** Secure qualification: only clients with a known identifier are answered. */
  readonly keys?: ((clientId: Uint8Array) => ClientKey | undefined) | undefined;
  /** Forward connectivity tests to native hosts; needs a raw socket. Default true. */
  readonly native?: boolean | undefined;
  readonly allowPrivate?: boolean | undefined;
  /** Which IPv4 addresses are served at first; all unless given. {@link Server.setAccess} changes it. */
  readonly access?: AccessList | undefined;
  readonly limits?: ServerLimits | undefined;
  /** The data path that answers solicitations and forwards bubbles. Default `auto`: the kernel where it can (adr/0015). */
  readonly dataPath?: DataPathWish | undefined;
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
    const { announced } = this;
    this.machine = new ServerMachine(
      {
        primary: announced.primary,
        ...(announced.secondary === undefined ? {} : { secondary: announced.secondary }),
        local: [settings.address, ...(settings.secondary === undefined ? [] : [settings.secondary])],
        mtu: settings.mtu ?? true,
        ...(settings.keys === undefined ? {} : { keys: settings.keys }),
        native: settings.native ?? true,
        policy: this.policy,
        ...(settings.access === undefined ? {} : { access: settings.access }),
        ...(settings.limits === undefined ? {} : { limits: settings.limits }),
      },
      ports.entropy,
    );
    this.driver = new Driver(this.machine, ports.clock, () => {});
    this.limitLog = new LimitLog(this.machine.limitHits, ports.clock, (line) =>
      this.emit('warning', line, 'limit'),
    );
    this.driver.onLimit = () => this.limitLog.trigger();
    this.debounce = new Debounce(ports.clock, () => this.policy.setSubnets(ports.network.ipv4Subnets()));
  }

  /** The addresses that clients know the server by. */
  get announced(): { readonly primary: Ipv4; readonly secondary: Ipv4 | undefined } {
    const { address, secondary, announce, announceSecondary } = this.settings;
    return { primary: announce ?? address, secondary: announceSecondary ?? secondary };
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
      limitsReached: this.limitLog.recent,
      counters: Object.freeze(this.counters),
      portCounters: Object.freeze({ ...this.driver.portCounters }),
    });
  }

  /** Of process and kernel together. */
  get counters(): Readonly<Record<string, number>> {
    const all: Record<string, number> = { ...this.machine.counters };
    for (const [name, count] of Object.entries(this.serverPath?.counters ?? {}))
      all[name] = (all[name] ?? 0) + count;
    return all;
  }

  /** The data path that answers solicitations and forwards bubbles; where it is not the kernel, the reason, unless it was asked for. */
  get dataPath(): DataPath {
    return this.path;
  }

  /** Which IPv4 addresses are served. */
  get access(): AccessList {
    return this.machine.access;
  }

  /** From now on only these addresses are served and forwarded to, by the kernel too. */
  setAccess(access: AccessList): void {
    this.machine.setAccess(access);
    if (this.serverPath === undefined) return;
    this.serverPath.setAccess(access);
    this.workChanged();
  }

  /** From now on these limits hold, in the kernel too. */
  setLimits(limits: ServerLimits): void {
    checkLimits(limits, SERVER_LIMITS);
    this.machine.setLimits(limits);
    this.serverPath?.setLimits(kernelsPart(limits));
  }

  /** Opens the sockets and serves. Rejects with the reason if it cannot. */
  async start(): Promise<void> {
    this.startOnce.begin();
    const { settings, ports, driver } = this;
    this.failureWarnings = new FailureWarnings(ports.clock, (message) => this.emit('warning', message));
    try {
      driver.attachUdp(
        SERVER_SOCKET.primary,
        ports.openUdp({ address: settings.address, port: TEREDO_PORT }),
      );
      if (settings.secondary !== undefined) {
        driver.attachUdp(
          SERVER_SOCKET.secondary,
          ports.openUdp({ address: settings.secondary, port: TEREDO_PORT }),
        );
      }
      if (settings.native ?? true) driver.attachRaw(ports.openRawIpv6());
      this.openServerPath();
      this.monitor = ports.openNetworkMonitor();
      this.monitor.start(() => this.debounce.trigger());
    } catch (error) {
      await this.close();
      throw refusalOf(error);
    }
  }

  close(): Promise<void> {
    this.startOnce.end();
    this.monitor?.close();
    this.debounce.close();
    this.cancelAgain?.();
    this.failureWarnings?.close();
    this.serverPath?.leave?.();
    this.serverPath?.close();
    this.limitLog.close();
    this.driver.close();
    return Promise.resolve();
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
        limits: kernelsPart(machine.limits),
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
    const { solicitationsAnswered, forwardedToClients, droppedAnswerLimit, droppedForwardLimit } =
      this.machine.counters;
    const refused = this.driver.portCounters['udpSendFailures.EPERM'] ?? 0;
    return solicitationsAnswered + forwardedToClients + droppedAnswerLimit + droppedForwardLimit - refused;
  }

  private take(work: SharedWork, isShared: boolean): void {
    const part = isShared ? 1 - KERNELS_PART : 1;
    if (this.parts[work] === part) return;
    this.parts[work] = part;
    this.machine.takePart(work, part);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function kernelsPart(limits: ServerLimits): ServerLimits {
  return partOf(limits, { answers: KERNELS_PART, forwarded: KERNELS_PART });
}
