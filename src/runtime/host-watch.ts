import type { AddressPolicy } from '../core/address-policy.ts';
import type { PortFactory } from '../io/port-factory.ts';
import type { Ipv4 } from '../wire/index.ts';
import type { ClientSettings } from './client-settings.ts';
import { localNetwork, sameNetwork } from './local-network.ts';
import type { LocalNetwork } from './local-network.ts';

type HostPorts = Pick<PortFactory, 'network' | 'tunnelHost'>;

/** The host as a client last saw it: its IPv4 network, and whether its native IPv6 lets the client rest. */
export class HostWatch {
  private readonly settings: ClientSettings;
  private readonly ports: HostPorts;
  private readonly policy: AddressPolicy;
  private seen: LocalNetwork;
  private resting = false;

  /** `policy` follows the subnets. `server`: as of {@link look}. */
  constructor(settings: ClientSettings, ports: HostPorts, policy: AddressPolicy, server: Ipv4 | undefined) {
    this.settings = settings;
    this.ports = ports;
    this.policy = policy;
    this.seen = this.find(server);
  }

  get network(): LocalNetwork {
    return this.seen;
  }

  get isResting(): boolean {
    return this.resting;
  }

  /** Looks at the network again; whether it is another one. `server`: datagrams go there, which chooses the local address. */
  look(server: Ipv4 | undefined): boolean {
    const before = this.seen;
    this.seen = this.find(server);
    return !sameNetwork(before, this.seen);
  }

  /** Looks at native IPv6 again; whether the client begins or ends to rest. `own`: its tunnel interface. */
  lookIfResting(own: string): boolean {
    const before = this.resting;
    this.resting = this.settings.onlyWithoutIpv6 === true && this.ports.tunnelHost.hasNativeIpv6(own);
    return this.resting !== before;
  }

  private find(server: Ipv4 | undefined): LocalNetwork {
    const found = localNetwork(this.ports.network, this.settings.bind, server);
    this.policy.setSubnets(found.subnets);
    return found;
  }
}
