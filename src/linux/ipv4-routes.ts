import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, RTM_GETROUTE, align, forEachAttribute } from './netlink.ts';
import type { TakeMessage } from './netlink.ts';
import { AF_INET } from './socket.ts';

const RTM_GETRULE = 34;
/** struct rtmsg and struct fib_rule_hdr both. */
const BODY = 12;
const ROUTE = { DST: 1, OIF: 4, PRIORITY: 6, MULTIPATH: 9, TABLE: 15, ENCAP: 22, NH_ID: 30 } as const;
const RTN_UNICAST = 1;
/** Local ranges, and routes that lead nowhere: blackhole, unreachable, prohibit, throw. */
const NO_UNICAST = [2, 6, 7, 8, 9];
const RULE = { PRIORITY: 6, SUPPRESS_PREFIXLEN: 14, TABLE: 15, PROTOCOL: 21, DPORT_RANGE: 24 } as const;
const FR_ACT_TO_TBL = 1;
/** To a table, to another rule, on to the next one. */
const RULES_THAT_CHOOSE = new Set([FR_ACT_TO_TBL, 2, 3]);
/** The index of `lo`, in every network. */
const LOOPBACK = 1;
/** local, main, default: what a host's rules say unless somebody has made others. */
const USUAL_TABLES = new Set([253, 254, 255]);

export interface Ipv4Route {
  readonly destination: number;
  readonly prefixLength: number;
  /** Indexes of the interfaces that it leads to; none where it refuses, or leads by what is no plain interface, or may change unseen. */
  readonly interfaces: readonly number[];
}

/** A route as it stands in a table: another one of the same destination may come before it. */
export interface TableRoute extends Ipv4Route {
  readonly table: number;
  /** Among those of one destination the smaller one wins. */
  readonly metric: number;
  /** As `interfaces`, those of what is no plain interface or may change unseen included. */
  readonly leads: readonly number[];
}

export interface Ipv4Routing {
  /** `usual`: no rules but the usual three. `choosing`: others choose among tables. `refusing`: one refuses, whatever the routes say. */
  readonly rules: 'usual' | 'choosing' | 'refusing';
  /** Where rules choose those of all tables, else those of the usual ones; routes of single addresses of this host's own are left out. */
  readonly routes: readonly TableRoute[];
  /** False: there are more than was asked for, and `routes` has only those that lead nowhere. */
  readonly isWhole: boolean;
}

/** Rules and routes for IPv4, with `most` routes at the most. Throws a SystemCallError. */
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

/** Those that lead nowhere, which the kernel picks out of however many it has. */
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
 * The routes that this host's datagrams take, in no order, those of single addresses of its own left out. Undefined where they cannot be
 * told so simply: rules choose among tables, or there are more than `most`. Throws a SystemCallError.
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

/** Whether a rule looks at the destination's port: datagrams to one address may take different ways then. Throws a SystemCallError. */
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

/** Without a selector, to one of the usual tables. */
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

/** Undefined where it is none of those that matter. */
function routeIn(view: DataView, at: number, end: number, anyTable = false): TableRoute | undefined {
  const [, prefixLength = 0, , , shortTable = 0, , , type] = octets(view, at, 8);
  let [table, destination, metric, isPlain] = [shortTable, 0, 0, type === RTN_UNICAST];
  const interfaces: number[] = [];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === ROUTE.TABLE) table = view.getUint32(value, true);
    else if (type === ROUTE.DST) destination = view.getUint32(value);
    else if (type === ROUTE.PRIORITY) metric = view.getUint32(value, true);
    else if (type === ROUTE.OIF) interfaces.push(view.getUint32(value, true));
    else if (type === ROUTE.ENCAP || type === ROUTE.NH_ID) isPlain = false;
    else if (type === ROUTE.MULTIPATH) {
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
  return { destination, prefixLength, interfaces: isPlain ? interfaces : [], table, metric, leads };
}

/** Asks for all there is of a kind. Where `take` says false, or the kernel refuses, so does this. */
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
