import { formatIpv6, isLinkLocal, isNative, isSiteOnly, isTeredo } from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import type {
  HostNetwork,
  InterfaceAddress,
  Ipv4Subnet,
  Ipv6Route,
  TunnelHost,
  TunnelState,
} from './ports.ts';

interface MemoryInterface {
  mtu: number | undefined;
  readonly addresses: Map<string, InterfaceAddress>;
  readonly routes: Map<string, Ipv6Route>;
}

/** A host's addresses and routes, as far as a runtime reads or sets them. */
export class MemoryNetwork implements HostNetwork, TunnelHost {
  /** State that a test may change at any time. */
  subnets: readonly Ipv4Subnet[];
  /** Addresses of the interface that has {@link nativeDefaultRoute}, and of `lo`. */
  nativeAddresses: readonly Ipv6[] = [];
  nativeDefaultRoute = false;
  /** Addresses of interfaces without a default route. */
  otherAddresses: readonly Ipv6[] = [];
  forwarding = false;
  /** By name. Addresses have the form `address/length`; so have routes, with ` from source` if they are for one source only. */
  readonly interfaces = new Map<string, MemoryInterface>();

  constructor(subnets: readonly Ipv4Subnet[]) {
    this.subnets = subnets;
  }

  ipv4Subnets(): readonly Ipv4Subnet[] {
    return this.subnets;
  }

  globalIpv6(): readonly Ipv6[] {
    return [...this.nativeAddresses, ...this.otherAddresses].filter(
      (address) => !isSiteOnly(address, 0) && !isTeredo(address, 0),
    );
  }

  sourceAddress(_destination: Ipv4): Ipv4 | undefined {
    return this.subnets[0]?.address;
  }

  hasNativeIpv6(exceptInterface: string): boolean {
    const others = this.othersWithDefault(exceptInterface).filter(
      ([, { addresses }]) => !hasTeredo(addresses),
    );
    const sources = [
      ...(this.nativeDefaultRoute ? [this.nativeAddresses] : []),
      ...others.map(([, { addresses }]) => [...addresses.values()].map(({ address }) => address)),
    ];
    return sources.some((own) => {
      const isUnnumbered = own.every((address) => isLinkLocal(address, 0));
      return (isUnnumbered ? this.otherAddresses : own).some((address) => isNative(address, 0));
    });
  }

  otherTeredoDefault(exceptInterface: string): string | undefined {
    return this.othersWithDefault(exceptInterface).find(([, { addresses }]) => hasTeredo(addresses))?.[0];
  }

  forwardsIpv6(): boolean {
    return this.forwarding;
  }

  tunnelState(name: string): TunnelState | undefined {
    const found = this.interfaces.get(name);
    if (found === undefined) return undefined;
    const { mtu, addresses, routes } = found;
    return { isUp: mtu !== undefined, addresses: [...addresses.values()], routes: [...routes.values()] };
  }

  /** Another program takes an interface down. Its addresses and routes go, as in Linux. */
  takeDown(name: string): void {
    const found = this.interfaceOf(name);
    found.mtu = undefined;
    found.addresses.clear();
    found.routes.clear();
  }

  addInterface(name: string): void {
    this.interfaces.set(name, { mtu: undefined, addresses: new Map(), routes: new Map() });
  }

  async setUpTunnel(name: string, mtu: number): Promise<void> {
    this.interfaceOf(name).mtu = mtu;
  }

  async addAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    const added = { address: address.slice(), prefixLength };
    add(this.interfaceOf(name).addresses, `${formatIpv6(address)}/${prefixLength}`, added);
  }

  async removeAddress(name: string, address: Ipv6, prefixLength: number): Promise<void> {
    this.interfaces.get(name)?.addresses.delete(`${formatIpv6(address)}/${prefixLength}`);
  }

  async addRoute(name: string, route: Ipv6Route): Promise<void> {
    const target = this.interfaceOf(name);
    if (target.mtu === undefined) throw new EnvironmentError('system', `${name} is down`);
    add(target.routes, routeWords(route), route);
  }

  async removeRoute(name: string, route: Ipv6Route): Promise<void> {
    this.interfaces.get(name)?.routes.delete(routeWords(route));
  }

  private othersWithDefault(exceptInterface: string): [string, MemoryInterface][] {
    return [...this.interfaces].filter(
      ([name, { routes }]) => name !== exceptInterface && routes.has('::/0'),
    );
  }

  private interfaceOf(name: string): MemoryInterface {
    const target = this.interfaces.get(name);
    if (target === undefined) throw new EnvironmentError('system', `there is no interface ${name}`);
    return target;
  }
}

function routeWords({ destination, prefixLength, source }: Ipv6Route): string {
  const from = source === undefined ? '' : ` from ${formatIpv6(source)}`;
  return `${formatIpv6(destination)}/${prefixLength}${from}`;
}

function hasTeredo(addresses: MemoryInterface['addresses']): boolean {
  return [...addresses.values()].some(({ address }) => isTeredo(address, 0));
}

function add<T>(map: Map<string, T>, name: string, value: T): void {
  if (map.has(name)) throw new EnvironmentError('system', `${name} exists already`);
  map.set(name, value);
}
