import { SystemCallError } from './errors.ts';
import { NetlinkQuery, RTM_GETROUTE, forEachAttribute } from './netlink.ts';
import { AF_INET } from './socket.ts';
import { isShortage } from './system-failures.ts';

/** struct rtmsg. */
const BODY = 12;
const ADDRESS_BITS = 32;
const RTA = {
  DST: 1,
  SRC: 2,
  OIF: 4,
  GATEWAY: 5,
  PREFSRC: 7,
  METRICS: 8,
  VIA: 18,
  ENCAP: 22,
  IP_PROTO: 27,
  SPORT: 28,
} as const;
/** Among a route's metrics. */
const RTAX = { MTU: 2, HOPLIMIT: 10 } as const;
/** Asks for the route in its table, without exceptions that the kernel has learnt for single destinations. */
const RTM_F_FIB_MATCH = 0x2000;
const UDP = 17;
const RTN_UNICAST = 1;

/** How datagrams to a destination leave this host. */
export interface Way {
  /** Index of the interface. */
  readonly ifindex: number;
  readonly source: number;
  /** The next hop's address, of either family, in hexadecimal digits; empty if the destination is on the link. */
  readonly gateway: string;
  /** The route's MTU, in octets; 0: it has none, and the interface's applies. */
  readonly mtu: number;
  /** The TTL that the route gives the socket's datagrams; 0: none, and the host's default applies. */
  readonly ttl: number;
  /** The next hop differs from the route's: a router has redirected this destination. */
  readonly isRedirected: boolean;
}

type PlainWay = Pick<Way, 'ifindex' | 'source' | 'gateway'>;

/** Asks the kernel which route a UDP socket's datagrams take. */
export class RouteQuery {
  private readonly query = new NetlinkQuery();
  private readonly bound: number;
  private readonly port: number;

  /** The address to which the socket is bound; 0: any. */
  constructor(bound: number, port: number) {
    this.bound = bound;
    this.port = port;
  }

  /**
   * The route to a destination from the socket, or from another one with the same address and this port. Undefined if there is none, or none
   * that a program could use: a redirect to an interface looks up a route by that interface, without the socket, and the host's rules may
   * give a different route for that. Throws a SystemCallError if the kernel could not be asked now.
   * Example: after `ip rule add ipproto udp sport 3545 lookup 100` the socket's datagrams take a route of table 100, those of a program
   * one of the main table.
   */
  wayTo(destination: number, port = this.port): Way | undefined {
    const ofSocket = this.waySocketTakes(destination, port);
    if (ofSocket === undefined) return undefined;
    const { ifindex, source, gateway } = ofSocket;
    const ofProgram = this.ask(destination, source, (query) => query.add(RTA.OIF, 4, ifindex, true));
    if (ofProgram?.ifindex !== ifindex || ofProgram.gateway !== gateway) return undefined;
    const route = this.routeTo(destination, port);
    return { ...ofSocket, mtu: route.mtu, ttl: route.ttl, isRedirected: gateway !== route.gateway };
  }

  /**
   * Index of the interface by which such a socket's datagrams leave, whether or not a program could use the same route; undefined: there is
   * none.
   */
  interfaceTo(destination: number, port = this.port): number | undefined {
    return this.waySocketTakes(destination, port)?.ifindex;
  }

  close(): void {
    this.query.close();
  }

  private waySocketTakes(destination: number, port: number): PlainWay | undefined {
    return this.ask(destination, this.bound, (query) => query.add(RTA.SPORT, 2, port));
  }

  /** The route as it is in its table. */
  private routeTo(destination: number, port: number): Pick<Way, 'gateway' | 'mtu' | 'ttl'> {
    let route = { gateway: '', mtu: 0, ttl: 0 };
    this.route(
      destination,
      this.bound,
      RTM_F_FIB_MATCH,
      (query) => query.add(RTA.SPORT, 2, port),
      (view, at, end) => (route = { gateway: gatewayIn(view, at, end), ...metricsIn(view, at, end) }),
    );
    return route;
  }

  private ask(
    destination: number,
    source: number,
    add: (query: NetlinkQuery) => unknown,
  ): PlainWay | undefined {
    let way: PlainWay | undefined;
    this.route(destination, source, 0, add, (view, at, end) => (way = wayIn(view, at, end, source)));
    return way;
  }

  private route(
    destination: number,
    source: number,
    flags: number,
    add: (query: NetlinkQuery) => unknown,
    see: (view: DataView, at: number, end: number) => void,
  ): void {
    const query = this.query.begin(RTM_GETROUTE, BODY, (view, at) => {
      view.setUint8(at, AF_INET);
      view.setUint8(at + 1, ADDRESS_BITS);
      view.setUint8(at + 2, source === 0 ? 0 : ADDRESS_BITS);
      view.setUint32(at + 8, flags, true);
    });
    query.add(RTA.DST, 4, destination).add(RTA.IP_PROTO, 1, UDP);
    if (source !== 0) query.add(RTA.SRC, 4, source);
    add(query);
    if (query.ask(see)) return;
    const refused = new SystemCallError('RTM_GETROUTE', query.refusal);
    if (isShortage(refused)) throw refused;
  }
}

/** Undefined if it is not a plain route to a single host. `source`: the source in the request; the kernel then does not repeat it. */
function wayIn(view: DataView, at: number, end: number, source: number): PlainWay | undefined {
  const way = { ifindex: 0, source, gateway: gatewayIn(view, at, end) };
  let isPlain = view.getUint8(at + 7) === RTN_UNICAST;
  forEachAttribute(view, at + BODY, end, (type, value) => {
    if (type === RTA.OIF) way.ifindex = view.getUint32(value, true);
    else if (type === RTA.PREFSRC) way.source = view.getUint32(value);
    else if (type === RTA.ENCAP) isPlain = false;
  });
  return isPlain && way.ifindex !== 0 && way.source !== 0 ? way : undefined;
}

function gatewayIn(view: DataView, at: number, end: number): string {
  let gateway = '';
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === RTA.GATEWAY || type === RTA.VIA) gateway = digits(view, value, valueEnd);
  });
  return gateway;
}

/** The route's metrics; 0: it has none. */
function metricsIn(view: DataView, at: number, end: number): Pick<Way, 'mtu' | 'ttl'> {
  const metrics = { mtu: 0, ttl: 0 };
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type !== RTA.METRICS) return;
    forEachAttribute(view, value, valueEnd, (metric, of) => {
      if (metric === RTAX.MTU) metrics.mtu = view.getUint32(of, true);
      else if (metric === RTAX.HOPLIMIT) metrics.ttl = view.getUint32(of, true);
    });
  });
  return metrics;
}

function digits(view: DataView, from: number, end: number): string {
  return Buffer.from(view.buffer, from, end - from).toString('hex');
}
