import { AddressPolicy } from '../core/address-policy.ts';
import { SERVER_LIMITS, SERVER_SOCKET, ServerMachine, partOf } from '../core/server/index.ts';
import type { ClientKey, ServerLimits } from '../core/server/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { NetworkMonitor, ServerPath } from '../io/ports.ts';
import { EnvironmentError } from '../io/errors.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { Driver } from './driver.ts';
import type { DataPath, DataPathWish } from './fast-path-use.ts';
import { StartOnce } from './start-once.ts';

export interface ServerSettings {
  readonly address: Ipv4;
  /** Without one, clients cannot find out whether their NAT is symmetric. */
  readonly secondary?: Ipv4 | undefined;
  readonly advertiseMtu?: boolean | undefined;
  /** Secure qualification: answers only clients whose identifier is known here. */
  readonly keys?: ((clientId: Uint8Array) => ClientKey | undefined) | undefined;
  /** Forward connectivity tests to native hosts; needs a raw socket. Default true. */
  readonly nativeForwarding?: boolean | undefined;
  readonly allowPrivate?: boolean | undefined;
  readonly limits?: ServerLimits | undefined;
  /** Who answers solicitations and forwards bubbles. Default `auto`: the kernel where it can (adr/0015). */
  readonly dataPath?: DataPathWish | undefined;
}

/** Of what an address may get, the kernel gives this part, where it does its part of the work. */
const KERNELS_PART = 3 / 4;

/** A running Teredo server. */
export class Server {
  readonly settings: ServerSettings;
  private readonly ports: PortFactory;
  private readonly machine: ServerMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly startOnce = new StartOnce('Server');
  private monitor: NetworkMonitor | undefined;
  private serverPath: ServerPath | undefined;
  private path: DataPath = { kind: 'user' };

  constructor(settings: ServerSettings, ports: PortFactory) {
    this.settings = settings;
    this.ports = ports;
    this.policy = new AddressPolicy({
      allowPrivate: settings.allowPrivate ?? false,
      subnets: ports.network.ipv4Subnets(),
    });
    this.machine = new ServerMachine(
      {
        primary: settings.address,
        ...(settings.secondary === undefined ? {} : { secondary: settings.secondary }),
        advertiseMtu: settings.advertiseMtu ?? true,
        ...(settings.keys === undefined ? {} : { keys: settings.keys }),
        nativeForwarding: settings.nativeForwarding ?? true,
        policy: this.policy,
        ...(settings.limits === undefined ? {} : { limits: settings.limits }),
      },
      ports.entropy,
    );
    this.driver = new Driver(this.machine, ports.clock, () => {});
  }

  /** Of all who do the server's work together. */
  get counters(): Readonly<Record<string, number>> {
    const all: Record<string, number> = { ...this.machine.counters };
    for (const [name, count] of Object.entries(this.kernelCounters ?? {}))
      all[name] = (all[name] ?? 0) + count;
    return all;
  }

  /** What the system refused or lost, by port and reason. */
  get portCounters(): Readonly<Record<string, number>> {
    return this.driver.portCounters;
  }

  /** What of that the kernel did; undefined where it does nothing. */
  get kernelCounters(): Readonly<Record<string, number>> | undefined {
    return this.serverPath?.counters;
  }

  /** Who answers solicitations and forwards bubbles; where it is not the kernel, why, unless that was the wish. */
  get dataPath(): DataPath {
    return this.path;
  }

  /** Opens the sockets and serves. Rejects with what stands in the way. */
  async start(): Promise<void> {
    this.startOnce.begin();
    const { settings, ports, driver } = this;
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
      if (settings.nativeForwarding ?? true) driver.attachRaw(ports.openRawIpv6());
      this.openServerPath();
      this.monitor = ports.openNetworkMonitor();
      this.monitor.start(() => this.policy.setSubnets(ports.network.ipv4Subnets()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  close(): Promise<void> {
    this.startOnce.end();
    this.monitor?.close();
    this.serverPath?.close();
    this.driver.close();
    return Promise.resolve();
  }

  private openServerPath(): void {
    const { settings, ports, machine } = this;
    const wish = settings.dataPath ?? 'auto';
    if (wish === 'user') return;
    const limits = settings.limits ?? SERVER_LIMITS;
    try {
      this.serverPath = ports.openServerPath({
        primary: settings.address,
        secondary: settings.secondary,
        advertisement: machine.advertisement,
        answers: settings.keys === undefined,
        allowPrivate: settings.allowPrivate ?? false,
        limits: partOf(limits, KERNELS_PART),
      });
    } catch (error) {
      if (wish === 'kernel' || !(error instanceof EnvironmentError)) throw error;
      this.path = { kind: 'user', reason: error.message };
      return;
    }
    this.path = { kind: 'kernel' };
    machine.setLimits(partOf(limits, 1 - KERNELS_PART));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
