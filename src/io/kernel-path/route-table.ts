import { doRulesReadDestinationPort, ipv4Routes } from '../../linux/ipv4-routes.ts';
import type { Ipv4Route } from '../../linux/ipv4-routes.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { isShortage } from '../../linux/system-failures.ts';
import { inSubnets } from '../../core/address-policy.ts';
import type { Ipv4 } from '../../wire/index.ts';

/** More would be gone through for each new destination; then the kernel is as fast. */
const MOST = 64;

/**
 * This host's IPv4 routes as they stand: destinations that the same route leads to leave the same way, so that the kernel need be asked
 * for one of them only. Knows nothing where rules choose among tables, or routes are many.
 */
export class RouteTable {
  /** The most specific first. */
  private readonly routes: readonly Ipv4Route[];
  private readonly own: ReadonlySet<Ipv4>;
  /** The way to a destination depends on the port there, too. */
  readonly isByPort: boolean;

  constructor(routes: readonly Ipv4Route[], own: Iterable<Ipv4>, isByPort = false) {
    this.isByPort = isByPort;
    this.routes = routes.toSorted((a, b) => b.prefixLength - a.prefixLength);
    this.own = new Set(own);
  }

  /** Throws a SystemCallError where it cannot be read at this moment. As it is now. `own`: this host's addresses, whose routes are not in it. */
  static read(own: Iterable<Ipv4>): RouteTable {
    try {
      const routes = ipv4Routes(MOST);
      return routes === undefined
        ? new RouteTable([], own, doRulesReadDestinationPort())
        : new RouteTable(routes, own);
    } catch (error) {
      if (error instanceof SystemCallError && !isShortage(error)) return new RouteTable([], []);
      throw error;
    }
  }

  /** The one route that leads to a destination by one interface; undefined where the kernel has to be asked. */
  routeTo(destination: Ipv4): Ipv4Route | undefined {
    if (this.own.has(destination)) return undefined;
    const at = this.routes.findIndex((route) => leadsTo(route, destination));
    if (at < 0) return undefined;
    const route = this.routes[at]!;
    const next = this.routes[at + 1];
    const isOneOfSeveral =
      next !== undefined && next.prefixLength === route.prefixLength && leadsTo(next, destination);
    return isOneOfSeveral || route.interfaces.length !== 1 ? undefined : route;
  }
}

function leadsTo({ destination: address, prefixLength }: Ipv4Route, destination: Ipv4): boolean {
  return inSubnets(destination, [{ address, prefixLength }]);
}
