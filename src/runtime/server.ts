import { AddressPolicy } from '../core/address-policy.ts';
import { SERVER_SOCKET, ServerMachine } from '../core/server/index.ts';
import type { ClientKey, ServerLimits } from '../core/server/index.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { NetworkMonitor } from '../io/ports.ts';
import { TEREDO_PORT } from '../wire/index.ts';
import type { Ipv4 } from '../wire/index.ts';
import { Driver } from './driver.ts';
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
}

/** A running Teredo server. */
export class Server {
  readonly settings: ServerSettings;
  private readonly ports: PortFactory;
  private readonly machine: ServerMachine;
  private readonly driver: Driver;
  private readonly policy: AddressPolicy;
  private readonly startOnce = new StartOnce('Server');
  private monitor: NetworkMonitor | undefined;

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

  get counters(): Readonly<Record<string, number>> {
    return this.machine.counters;
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
    this.driver.close();
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
