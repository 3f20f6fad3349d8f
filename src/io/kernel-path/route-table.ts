import { doRulesReadDestinationPort, ipv4Routes } from '../../linux/ipv4-routes.ts';
import type { Ipv4Route } from '../../linux/ipv4-routes.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { isShortage } from '../../linux/system-failures.ts';
import { inSubnets } from '../../core/address-policy.ts';
import type { Ipv4 } from '../../wire/index.ts';

/** With more routes a search takes as long as a question to the kernel. */
const MOST = 64;

/**
 * A copy of this host's IPv4 routes. Destinations with the same route leave the same way, so the kernel is asked about one of them only.
 * Holds nothing if rules choose among tables, or if there are too many routes.
 */
export class RouteTable {
  /** Sorted, the most specific first. */
  private readonly routes: readonly Ipv4Route[];
  private readonly own: ReadonlySet<Ipv4>;
  /** Whether the way to a destination also depends on the destination port. */
  readonly isByPort: boolean;

  constructor(routes: readonly Ipv4Route[], own: Iterable<Ipv4>, isByPort = false) {
    this.isByPort = isByPort;
    this.routes = routes.toSorted((a, b) => b.prefixLength - a.prefixLength);
    this.own = new Set(own);
  }

  /**
   * Reads the routes as they are now. Throws a SystemCallError if that fails. `own`: this host's addresses; their routes are not in the
   * table.
   */
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

  /** The only route to a destination, if it leads by one interface; undefined if the kernel has to be asked. */
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
