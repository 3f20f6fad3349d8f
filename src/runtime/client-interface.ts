import { TUNNEL_MTU } from '../core/constants.ts';
import type { HostNetwork, Ipv6Route } from '../io/ports.ts';
import { parseIpv6, parsePrefix } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';

/** Whether all of IPv6 goes through the tunnel, or just other Teredo clients; `auto`: all, unless the host has better. */
export type DefaultRoute = 'auto' | 'always' | 'never';

/** What miredo sets, so that scripts written for it go on working. */
const ROUTE_METRIC = 1029;
const ADDRESS_PREFIX_LENGTH = 32;
const LINK_LOCAL = parseIpv6('fe80::ffff:ffff:ffff')!;
const EVERYTHING = routeTo('::/0');
/** All there is of global unicast: more specific than any default route, whatever its metric. */
const ALL_GLOBAL = routeTo('2000::/3');

/**
 * What an address sends goes through its own tunnel, also where another client's, or native IPv6, has the route otherwise.
 * 2001::/32 in halves: Linux no longer finds a prefix's route for all sources once the same prefix has one for a single
 * source. These go with the interface, which rules of policy routing would not.
 */
const OWN_DESTINATIONS = ['::/0', '2001::/33', '2001:0:8000::/33'].map((text) => parsePrefix(text)!);

/** A client's tunnel interface: its addresses and routes, changed one step after the other. */
export class ClientInterface {
  readonly name: string;
  hasDefaultRoute = false;
  private readonly network: HostNetwork;
  private readonly wish: DefaultRoute;
  private readonly onDefaultRoute: (on: boolean) => void;
  private address: Ipv6 | undefined;
  private steps: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(name: string, network: HostNetwork, wish: DefaultRoute, onDefaultRoute: (on: boolean) => void) {
    this.name = name;
    this.network = network;
    this.wish = wish;
    this.onDefaultRoute = onDefaultRoute;
  }

  /** Resolves once all that was asked for so far is done, or has failed. */
  get settled(): Promise<void> {
    return this.steps;
  }

  async setUp(): Promise<void> {
    await this.network.setUpTunnel(this.name, TUNNEL_MTU);
    await this.network.addAddress(this.name, LINK_LOCAL, 64);
  }

  /** The /32 brings the route to all other Teredo clients with it. */
  addAddress(address: Ipv6): Promise<void> {
    return this.step(async () => {
      await this.network.addAddress(this.name, address, ADDRESS_PREFIX_LENGTH);
      this.address = address;
      await this.route();
      for (const route of routesFrom(address)) await this.network.addRoute(this.name, route);
    });
  }

  removeAddress(address: Ipv6): Promise<void> {
    return this.step(async () => {
      if (this.address !== undefined && equal(this.address, address)) this.address = undefined;
      for (const route of routesFrom(address)) await this.network.removeRoute(this.name, route);
      await this.network.removeAddress(this.name, address, ADDRESS_PREFIX_LENGTH);
      await this.route();
    });
  }

  /** Native IPv6 may have come or gone. */
  networkChanged(): Promise<void> {
    return this.step(() => this.route());
  }

  /** Waits for what is under way. The device is closed elsewhere, and everything on it goes with it. */
  async close(): Promise<void> {
    this.closed = true;
    await this.steps;
  }

  private async route(): Promise<void> {
    const wanted = this.address !== undefined && this.isDefaultWished() && !this.isDefaultTaken();
    if (wanted === this.hasDefaultRoute) return;
    for (const route of this.wish === 'always' ? [ALL_GLOBAL, EVERYTHING] : [EVERYTHING]) {
      if (wanted) await this.network.addRoute(this.name, route);
      else await this.network.removeRoute(this.name, route);
    }
    this.hasDefaultRoute = wanted;
    this.onDefaultRoute(wanted);
  }

  private isDefaultWished(): boolean {
    return this.wish === 'always' || (this.wish === 'auto' && !this.network.hasNativeIpv6(this.name));
  }

  /** The first of several Teredo clients on a host keeps the default route; another takes over when that one ends. */
  private isDefaultTaken(): boolean {
    return !this.hasDefaultRoute && this.network.otherTeredoDefault(this.name) !== undefined;
  }

  private step(action: () => Promise<void>): Promise<void> {
    const done = this.steps.then(async () => {
      if (!this.closed) await action();
    });
    this.steps = done.catch(() => undefined); // reported by whoever asked for the step
    return done;
  }
}

function routeTo(text: string): Ipv6Route {
  const { address, length } = parsePrefix(text)!;
  return { destination: address, prefixLength: length, metric: ROUTE_METRIC };
}

function routesFrom(source: Ipv6): Ipv6Route[] {
  return OWN_DESTINATIONS.map(({ address, length }) => ({
    destination: address,
    prefixLength: length,
    source,
  }));
}

function equal(a: Ipv6, b: Ipv6): boolean {
  return a.every((byte, i) => byte === b[i]);
}
