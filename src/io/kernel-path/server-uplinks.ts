import { inSubnets } from '../../core/address-policy.ts';
import { MAX_RANGES } from '../../linux/bpf/server-layout.ts';
import type { AddressRange } from '../../linux/bpf/server-program.ts';
import type { Ipv4Routing, TableRoute } from '../../linux/ipv4-routes.ts';
import { isForAddresses, receives } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import { formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { isStrict } from './host-links.ts';
import type { HostLinks } from './host-links.ts';
import { isOnlyWayOut, mayBeSentTo } from './only-way-out.ts';
import type { Ipv4Subnet } from '../ports.ts';
import { wayBack } from './way-back.ts';
import type { WayBack } from './way-back.ts';

/** The most interfaces by which the server's address may be reached. */
const MOST_INTERFACES = 32;
/** The tables of the usual rules: default, main, local. */
const USUAL_TABLES = new Set([253, 254, 255]);

export interface HostIpv4 {
  readonly subnets: readonly Ipv4Subnet[];
  readonly links: HostLinks;
  readonly routing: Ipv4Routing;
}

/** Where the server's program is attached, and its permitted work there. */
export interface ServerUplinks {
  readonly at: readonly Link[];
  /** Index of the only interface by which a server's datagrams leave; 0: there may be several. */
  readonly uplink: number;
  /** Sources and targets whose datagrams are left to the sockets. */
  readonly ranges: readonly AddressRange[];
  /** Whether the route out does not depend on the source address. */
  readonly anySource: boolean;
  /** The next host on the way back, or why a driver cannot know it; undefined if there may be several ways: then it is the host that asks. */
  readonly wayBack: WayBack | string | undefined;
}

/** Throws an Error with an explanation if the program cannot be attached. `own`: the server's addresses, the primary one first. */
export function serverUplinks(own: readonly Ipv4[], host: HostIpv4, allowPrivate: boolean): ServerUplinks {
  const { routing } = host;
  if (routing.rules === 'refusing')
    throw new Error('a rule of this host for its routes refuses some datagrams');
  const at = whereDatagramsArrive(own, host);
  const usual = routing.rules === 'usual' && routing.isWhole ? routing.routes : undefined;
  const uplink = at.find(({ ifindex }) => isOnlyWayOut(ifindex, usual, allowPrivate))?.ifindex ?? 0;
  return {
    at,
    uplink,
    ranges: rangesOfSockets(own, at, host, allowPrivate),
    anySource: routing.rules === 'usual',
    wayBack: uplink === 0 ? undefined : wayBack(uplink, routing.routes, allowPrivate),
  };
}

/** The interface that has an address. If nothing can arrive there, as at `lo`: all interfaces at which something can. */
function whereDatagramsArrive(own: readonly Ipv4[], { subnets, links }: HostIpv4): Link[] {
  const owners = own.map((address) => {
    const name = subnets.find((one) => one.address === address)?.interface;
    const link = name === undefined ? undefined : links.named(name);
    if (link === undefined) throw new Error(`no interface that is up has ${formatIpv4(address)}`);
    if (!receives(link) && !isForAddresses(link))
      throw new Error(`${formatIpv4(address)} is not on an Ethernet interface`);
    return link;
  });
  if (owners.every(receives)) return [...new Set(owners.map((link) => links.receiverFor(link)))];
  const open = links.receivers();
  const where = `${owners.find(isForAddresses)!.name} has the server's address`;
  if (open.length === 0) throw new Error(`${where}, and no Ethernet interface is up`);
  if (open.length > MOST_INTERFACES)
    throw new Error(`${where}, and it may be reached by more than ${MOST_INTERFACES} interfaces`);
  return open;
}

/**
 * This host's other addresses, its subnets' broadcast addresses, and the destinations that its routes reach by other interfaces than the
 * program's.
 */
function rangesOfSockets(
  own: readonly Ipv4[],
  at: readonly Link[],
  { subnets, routing }: HostIpv4,
  allowPrivate: boolean,
): AddressRange[] {
  const strict = at.filter(isStrict).map(({ ifindex }) => ifindex);
  if (strict.length > 0 && !(routing.isWhole && routing.rules === 'usual'))
    throw new Error(
      'rp_filter is strict, and the routes are not simple enough to know which sources it refuses',
    );
  const here = new Set(at.map(({ ifindex }) => ifindex));
  const elsewhere = routing.routes
    .filter((route) => mayBeSentTo(route, allowPrivate) && isTaken(route, routing))
    .filter(
      ({ leads }) => !leads.some((link) => here.has(link)) || !strict.every((link) => leads.includes(link)),
    )
    .map(({ destination, prefixLength }) => ({ address: destination, prefixLength }));
  const addresses = localAddresses(subnets).filter((address) => !own.includes(address));
  const ranges = widest([...elsewhere, ...addresses.map((address) => ({ address, prefixLength: 32 }))]);
  const part = ranges.reduce((sum, { prefixLength }) => sum + 2 ** -prefixLength, 0);
  if (part > 1 / 2)
    throw new Error('the routes lead to other interfaces than those at which datagrams arrive, or nowhere');
  if (ranges.length > MAX_RANGES)
    throw new Error(`this host has more than ${MAX_RANGES} addresses, or routes to other interfaces`);
  return ranges;
}

/**
 * Whether no better route to the same destination exists. If rules choose a table, the default route of one table need not apply to every
 * datagram.
 */
function isTaken(route: TableRoute, { rules, routes }: Ipv4Routing): boolean {
  if (rules !== 'usual' && route.prefixLength === 0 && !USUAL_TABLES.has(route.table)) return false;
  return !routes.some(
    (other) =>
      other.destination === route.destination &&
      other.prefixLength === route.prefixLength &&
      other.table === route.table &&
      other.metric < route.metric,
  );
}

/** Removes ranges that are inside others. */
function widest(ranges: readonly AddressRange[]): AddressRange[] {
  const kept: AddressRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.prefixLength - b.prefixLength))
    if (!inSubnets(range.address, kept)) kept.push(range);
  return kept;
}

/** This host's addresses and the broadcast addresses of its subnets. */
function localAddresses(subnets: readonly Ipv4Subnet[]): Ipv4[] {
  return subnets.flatMap(({ address, prefixLength }) =>
    prefixLength > 0 && prefixLength < 31
      ? [address, (address | (2 ** (32 - prefixLength) - 1)) >>> 0]
      : [address],
  );
}
