import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, RTM_GETROUTE, align, forEachAttribute } from './netlink.ts';
import type { TakeMessage } from './netlink.ts';
import { AF_INET } from './socket.ts';

const RTM_GETRULE = 34;
/** Size of struct rtmsg and of struct fib_rule_hdr. */
const BODY = 12;
const ROUTE = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  ENCAP: 22,
  NH_ID: 30,
} as const;
const RTN_UNICAST = 1;
/** Types of routes that matter: local ranges, and routes that lead nowhere (blackhole, unreachable, prohibit, throw). */
const NO_UNICAST = [2, 6, 7, 8, 9];
const RULE = { PRIORITY: 6, SUPPRESS_PREFIXLEN: 14, TABLE: 15, PROTOCOL: 21, DPORT_RANGE: 24 } as const;
const FR_ACT_TO_TBL = 1;
/** Actions of rules: to a table, to another rule, to the next rule. */
const RULES_THAT_CHOOSE = new Set([FR_ACT_TO_TBL, 2, 3]);
/** The index of `lo`, in every network namespace. */
const LOOPBACK = 1;
/** The tables local, main and default, to which a host's standard rules lead. */
const USUAL_TABLES = new Set([253, 254, 255]);

export interface Ipv4Route {
  readonly destination: number;
  readonly prefixLength: number;
  /**
   * Indexes of the interfaces of the route. None if it refuses, leads by something that is not a plain interface, or may change without a
   * message.
   */
  readonly interfaces: readonly number[];
}

/** A route as it is in a table: a route with the same destination may come before it. */
export interface TableRoute extends Ipv4Route {
  readonly table: number;
  /** Of several routes to one destination, the one with the smallest metric is used. */
  readonly metric: number;
  /** As `interfaces`, but including those that are not plain or may change without a message. */
  readonly leads: readonly number[];
  /** The gateway; undefined if it needs none, 0 if there is not exactly one. */
  readonly gateway: number | undefined;
}

export interface Ipv4Routing {
  /**
   * `usual`: only the three standard rules. `choosing`: other rules choose among tables. `refusing`: a rule refuses, whatever the routes
   * say.
   */
  readonly rules: 'usual' | 'choosing' | 'refusing';
  /** If rules choose, the routes of all tables; otherwise those of the standard ones. Without routes of single addresses of this host. */
  readonly routes: readonly TableRoute[];
  /** False: there are more routes than requested, and `routes` has only those that lead nowhere. */
  readonly isWhole: boolean;
}

/** Reads rules and routes for IPv4, at most `most` routes. Throws a SystemCallError. */
export function ipv4Routing(most: number): Ipv4Routing {
  let rules: Ipv4Routing['rules'] = 'usual';
  const listed = list(RTM_GETRULE, (view, at, end) => {
    if (!RULES_THAT_CHOOSE.has(view.getUint8(at + 7))) rules = 'refusing';
    else if (rules === 'usual' && !isUsualRule(view, at, end)) rules = 'choosing';
  });
  if (!listed) throw new SystemCallError('RTM_GETRULE', E.EAGAIN);
  const anyTable = (rules as Ipv4Routing['rules']) !== 'usual';
  const routes: TableRoute[] = [];
  const take: TakeMessage = (view, at, end) => {
    const route = routeIn(view, at, end, anyTable);
    if (route !== undefined) routes.push(route);
    return routes.length <= most;
  };
  const isWhole = list(RTM_GETROUTE, take);
  if (!isWhole) {
    if (routes.length <= most) throw new SystemCallError('RTM_GETROUTE', E.EAGAIN);
    routes.length = 0;
    if (!listDead(take)) throw new SystemCallError('RTM_GETROUTE', routes.length > most ? E.E2BIG : E.EAGAIN);
  }
  return { rules, routes, isWhole };
}

/** The routes that lead nowhere; the kernel selects them, however many others exist. */
function listDead(take: TakeMessage): boolean {
  const query = new NetlinkQuery();
  try {
    query.beStrict();
    const ofType = (type: number) =>
      query.begin(RTM_GETROUTE, BODY, (view, at) => {
        view.setUint8(at, AF_INET);
        view.setUint8(at + 7, type);
      });
    return (
      NO_UNICAST.every((type) => ofType(type).list(take)) &&
      ofType(RTN_UNICAST).add(ROUTE.OIF, 4, LOOPBACK, true).list(take)
    );
  } finally {
    query.close();
  }
}

/**
 * The routes that this host's datagrams take, in no order, without those of its own single addresses. Undefined if rules choose among
 * tables, or if there are more than `most`. Throws a SystemCallError.
 */
export function ipv4Routes(most: number): Ipv4Route[] | undefined {
  let usual = 0;
  const plain = list(RTM_GETRULE, (view, at, end) => {
    usual++;
    return isUsualRule(view, at, end);
  });
  if (!plain || usual === 0) return undefined;
  const routes: Ipv4Route[] = [];
  const all = list(RTM_GETROUTE, (view, at, end) => {
    const route = routeIn(view, at, end);
    if (route !== undefined) routes.push(route);
    return routes.length <= most;
  });
  return all ? routes : undefined;
}

/** Whether a rule looks at the destination port. If so, datagrams to one address may take different routes. Throws a SystemCallError. */
export function doRulesReadDestinationPort(): boolean {
  let isRead = false;
  const isWhole = list(RTM_GETRULE, (view, at, end) => {
    forEachAttribute(view, at + BODY, end, (type) => {
      if (type === RULE.DPORT_RANGE) isRead = true;
    });
    return !isRead;
  });
  if (!isWhole && !isRead) throw new SystemCallError('RTM_GETRULE', E.EAGAIN);
  return isRead;
}

/** Whether the rule has no selector, and leads to a standard table. */
function isUsualRule(view: DataView, at: number, end: number): boolean {
  const [, toLength, fromLength, tos, shortTable, , , action] = octets(view, at, 8);
  let table = shortTable;
  let plain = toLength === 0 && fromLength === 0 && tos === 0 && action === FR_ACT_TO_TBL;
  plain &&= view.getUint32(at + 8, true) === 0; // no "not"
  forEachAttribute(view, at + BODY, end, (type, value) => {
    if (type === RULE.TABLE) table = view.getUint32(value, true);
    else if (type === RULE.SUPPRESS_PREFIXLEN) plain &&= view.getInt32(value, true) === -1;
    else if (type !== RULE.PRIORITY && type !== RULE.PROTOCOL) plain = false;
  });
  return plain && USUAL_TABLES.has(table!);
}

/** Undefined if the route does not matter here. */
function routeIn(view: DataView, at: number, end: number, anyTable = false): TableRoute | undefined {
  const [, prefixLength = 0, , , shortTable = 0, , , type] = octets(view, at, 8);
  let [table, destination, metric, isPlain] = [shortTable, 0, 0, type === RTN_UNICAST];
  let gateway: number | undefined;
  const interfaces: number[] = [];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === ROUTE.TABLE) table = view.getUint32(value, true);
    else if (type === ROUTE.DST) destination = view.getUint32(value);
    else if (type === ROUTE.PRIORITY) metric = view.getUint32(value, true);
    else if (type === ROUTE.GATEWAY) gateway = view.getUint32(value);
    else if (type === ROUTE.VIA) gateway = 0;
    else if (type === ROUTE.OIF) interfaces.push(view.getUint32(value, true));
    else if (type === ROUTE.ENCAP || type === ROUTE.NH_ID) isPlain = false;
    else if (type === ROUTE.MULTIPATH) {
      gateway = 0;
      // struct rtnexthop: length, flags, weight, index, then attributes of its own
      for (let hop = value; hop + 8 <= valueEnd; hop += align(Math.max(8, view.getUint16(hop, true)))) {
        interfaces.push(view.getUint32(hop + 4, true));
        forEachAttribute(view, hop + 8, hop + view.getUint16(hop, true), (type) => {
          if (type === ROUTE.ENCAP) isPlain = false;
        });
      }
    }
  });
  const isOwnAddress = type !== RTN_UNICAST && table === 255 && prefixLength === 32;
  if ((!anyTable && !USUAL_TABLES.has(table)) || isOwnAddress) return undefined;
  const leads = type === RTN_UNICAST ? interfaces : [];
  return { destination, prefixLength, interfaces: isPlain ? interfaces : [], table, metric, leads, gateway };
}

/** Requests a complete list. False if `take` returns false or the kernel refuses. */
function list(kind: number, take: TakeMessage): boolean {
  const query = new NetlinkQuery();
  try {
    return query.begin(kind, BODY, (view, at) => view.setUint8(at, AF_INET)).list(take);
  } finally {
    query.close();
  }
}

function octets(view: DataView, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => view.getUint8(at + i));
}
