import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NETLINK_ROUTE, NetlinkQuery, RTM_GETROUTE, forEachAttribute } from './netlink.ts';
import { ipv6AddressesOf } from './proc.ts';
import type { Ipv6AddressOf } from './proc.ts';
import { AF_INET6, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';
import { WayOut } from './way-out.ts';

/** struct rtmsg. */
const BODY = 12;
const RTA = { DST: 1, SRC: 2, OIF: 4, PRIORITY: 6, TABLE: 15 } as const;
const RT_TABLE_MAIN = 254;
/** A list that changes while it is read is requested again, this many times in all. */
const ATTEMPTS = 5;

export interface RouteOf {
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  readonly source: Uint8Array | undefined;
  readonly metric: number;
}

/**
 * The present IPv6 configuration of an interface; undefined if none has that name. `open` and `tables` (see proc.ts) are those of its network
 * namespace. Throws a SystemCallError.
 */
export function interfaceState(
  name: string,
  open: OpenSocket = openSocket,
  tables?: string,
): { readonly isUp: boolean; readonly addresses: Ipv6AddressOf[]; readonly routes: RouteOf[] } | undefined {
  const wayOut = new WayOut(open);
  try {
    const link = wayOut.link(name);
    if (link === undefined) return undefined;
    return {
      isUp: link.isUp,
      addresses: ipv6AddressesOf(name, tables),
      routes: routesOf(link.ifindex, open),
    };
  } finally {
    wayOut.close();
  }
}

/** Routes of the main table; the kernel selects them, however many others exist. */
function routesOf(ifindex: number, open: OpenSocket): RouteOf[] {
  const query = new NetlinkQuery(NETLINK_ROUTE, open);
  try {
    query.beStrict();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const routes: RouteOf[] = [];
      query
        .begin(RTM_GETROUTE, BODY, (view, at) => view.setUint8(at, AF_INET6))
        .add(RTA.TABLE, 4, RT_TABLE_MAIN, true)
        .add(RTA.OIF, 4, ifindex, true);
      if (query.list((view, at, end) => routes.push(routeIn(view, at, end)))) return routes;
    }
    throw new SystemCallError('RTM_GETROUTE', E.EAGAIN);
  } finally {
    query.close();
  }
}

function routeIn(view: DataView, at: number, end: number): RouteOf {
  let [destination, source, metric] = [new Uint8Array(16), undefined as Uint8Array | undefined, 0];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    const bytes = (): Uint8Array<ArrayBuffer> =>
      new Uint8Array(view.buffer as ArrayBuffer, value, valueEnd - value).slice();
    if (type === RTA.DST) destination = bytes();
    else if (type === RTA.SRC) source = bytes();
    else if (type === RTA.PRIORITY) metric = view.getUint32(value, true);
  });
  return { destination, prefixLength: view.getUint8(at + 1), source, metric };
}
