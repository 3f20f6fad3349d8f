import { NetlinkQuery, RTM_GETROUTE, align, forEachAttribute } from './netlink.ts';
import type { TakeMessage } from './netlink.ts';
import { AF_INET } from './socket.ts';

const RTM_GETRULE = 34;
/** struct rtmsg and struct fib_rule_hdr both. */
const BODY = 12;
const ROUTE = { DST: 1, OIF: 4, MULTIPATH: 9, TABLE: 15, ENCAP: 22, NH_ID: 30 } as const;
const RTN_UNICAST = 1;
const RULE = { PRIORITY: 6, SUPPRESS_PREFIXLEN: 14, TABLE: 15, PROTOCOL: 21 } as const;
const FR_ACT_TO_TBL = 1;
/** local, main, default: what a host's rules say unless somebody has made others. */
const USUAL_TABLES = new Set([253, 254, 255]);

export interface Ipv4Route {
  readonly destination: number;
  readonly prefixLength: number;
  /** Indexes of the interfaces that it leads to; none where it refuses, or leads by what is no plain interface, or may change unseen. */
  readonly interfaces: readonly number[];
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
function routeIn(view: DataView, at: number, end: number): Ipv4Route | undefined {
  const [, prefixLength = 0, , , shortTable, , , type] = octets(view, at, 8);
  let [table, destination, isPlain] = [shortTable, 0, type === RTN_UNICAST];
  const interfaces: number[] = [];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === ROUTE.TABLE) table = view.getUint32(value, true);
    else if (type === ROUTE.DST) destination = view.getUint32(value);
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
  if (!USUAL_TABLES.has(table!) || isOwnAddress) return undefined;
  return { destination, prefixLength, interfaces: isPlain ? interfaces : [] };
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
