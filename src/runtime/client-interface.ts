import type { TunnelHost, Ipv6Route } from '../io/ports.ts';
import { parseIpv6, parsePrefix } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import type { TunnelGuard } from './tunnel-guard.ts';
import { InterfaceConfig, addressSetting, routeSetting } from './interface-config.ts';
import type { InterfaceSetting } from './interface-config.ts';

/** Whether all of IPv6 goes through the tunnel, or just other Teredo clients; `auto`: all, unless the host has better. */
export type DefaultRoute = 'auto' | 'always' | 'never';

/** As miredo sets it, so that scripts written for miredo keep working. */
const ROUTE_METRIC = 1029;
const ADDRESS_PREFIX_LENGTH = 32;
const LINK_LOCAL = addressSetting({ address: parseIpv6('fe80::ffff:ffff:ffff')!, prefixLength: 64 });
/** As a relay's: no host has it. The kernel keeps one neighbour for all destinations, not one for each. */
const GATEWAY = parseIpv6('fe80::ffff:ffff:fffe')!;
/**
 * All there is of global unicast, too: more specific than any other default route, whatever its metric, such as that of a router
 * with no Internet behind it.
 */
const DEFAULTS = ['2000::/3', '::/0'].map((text) => routeSetting(routeTo(text)));

/**
 * Packets from an address leave through its own tunnel, also where another client's, or native IPv6, has the route otherwise.
 * 2000::/3, which the client with the default route has for all sources, and 2001::/32 in halves: Linux no longer finds a prefix's route for all
 * sources once the same prefix has one for a single source. These go with the interface, which rules of policy routing would not.
 */
const OWN_DESTINATIONS = ['::/0', '2000::/4', '3000::/4', '2001::/33', '2001:0:8000::/33'].map((text) =>
  parsePrefix(text)!,
);

/** A client's tunnel interface: its addresses and routes, changed one step after the other, and set again where they go missing. */
export class ClientInterface {
  readonly name: string;
  hasDefaultRoute = false;
  private readonly host: TunnelHost;
  private readonly wish: DefaultRoute;
  private readonly onDefaultRoute: (on: boolean) => void;
  private readonly interfaceConfig: InterfaceConfig;
  private readonly guard: TunnelGuard;
  private readonly onFailure: () => void;
  private addresses: readonly Ipv6[] = [];
  /** Those that the interface may still have. */
  private held: readonly Ipv6[] = [];
  /** Of {@link addresses} those that are guarded, and so may be set. */
  private guarded: readonly Ipv6[] = [];

  constructor(
    name: string,
    host: TunnelHost,
    wish: DefaultRoute,
    guard: TunnelGuard,
    told: {
      readonly onDefaultRoute: (on: boolean) => void;
      readonly onWarning: (message: string) => void;
      /** Not all could be set: {@link networkChanged} is to be called again later. */
      readonly onFailure?: () => void;
    },
  ) {
    this.name = name;
    this.host = host;
    this.wish = wish;
    this.guard = guard;
    this.onDefaultRoute = told.onDefaultRoute;
    this.interfaceConfig = new InterfaceConfig(name, host, told.onWarning, told.onFailure);
    this.onFailure = told.onFailure ?? (() => {});
  }

  /** Resolves once all that was asked for so far is done, or has failed. */
  get settled(): Promise<void> {
    return this.interfaceConfig.settled;
  }

  setUp(): Promise<void> {
    return this.interfaceConfig.begin([LINK_LOCAL]);
  }

  /** The /32 brings the route to all other Teredo clients with it. */
  addAddress(address: Ipv6): void {
    this.addresses = [...this.addresses, address];
    this.arrange();
  }

  removeAddress(address: Ipv6): void {
    const isIt = (one: Ipv6): boolean => one.every((byte, i) => byte === address[i]);
    this.addresses = this.addresses.filter((one) => !isIt(one));
    this.arrange();
  }

  /** Native IPv6 may have come or gone, and addresses and routes of the interface, too. */
  networkChanged(): void {
    this.arrange();
  }

  /** Waits for steps under way. The device is closed elsewhere, and everything on it goes with it. */
  async close(): Promise<void> {
    await this.interfaceConfig.close();
    this.guard.close();
  }

  private arrange(): void {
    void this.interfaceConfig.arrange(
      () => this.wanted(),
      () => {
        // The system may have kept an address that was to go.
        const kept = this.held.filter((address) => this.interfaceConfig.has(settingOf(address)));
        this.held = [...new Set([...this.guarded, ...kept])];
        const isGuarded = this.guard.setOwn(this.held);
        if (!isGuarded || this.guarded.length < this.addresses.length) this.onFailure();
        const before = this.hasDefaultRoute;
        this.hasDefaultRoute = this.hasDefaults;
        if (this.hasDefaultRoute !== before) this.onDefaultRoute(this.hasDefaultRoute);
      },
    );
  }

  /** Before an address is given, nothing from it can leave elsewhere: new ones wait until the guard knows them. */
  private wanted(): InterfaceSetting[] {
    const { held } = this;
    const isGuarded = this.guard.setOwn([...new Set([...held, ...this.addresses])]);
    const addresses = isGuarded ? this.addresses : this.addresses.filter((address) => held.includes(address));
    this.guarded = addresses;
    this.held = [...new Set([...held, ...addresses])];
    return [
      LINK_LOCAL,
      ...addresses.map(settingOf),
      ...(addresses.length > 0 && this.isDefaultWished() && !this.isDefaultTaken() ? DEFAULTS : []),
      ...addresses.flatMap(routesFrom).map(routeSetting),
    ];
  }

  /** One is enough for native hosts to be reached. */
  private get hasDefaults(): boolean {
    return DEFAULTS.some((route) => this.interfaceConfig.has(route));
  }

  private isDefaultWished(): boolean {
    return this.wish === 'always' || (this.wish === 'auto' && !this.host.hasNativeIpv6(this.name));
  }

  /** The first of several Teredo clients on a host keeps the default route; another takes over when that one ends. */
  private isDefaultTaken(): boolean {
    return !this.hasDefaults && this.host.otherTeredoDefault(this.name) !== undefined;
  }
}

function routeTo(text: string): Ipv6Route {
  const { address, length } = parsePrefix(text)!;
  return { destination: address, prefixLength: length, gateway: GATEWAY, metric: ROUTE_METRIC };
}

function routesFrom(source: Ipv6): Ipv6Route[] {
  return OWN_DESTINATIONS.map(({ address, length }) => ({
    destination: address,
    prefixLength: length,
    source,
    gateway: GATEWAY,
  }));
}

function settingOf(address: Ipv6): InterfaceSetting {
  return addressSetting({ address, prefixLength: ADDRESS_PREFIX_LENGTH });
}
