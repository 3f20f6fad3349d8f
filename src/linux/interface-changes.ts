import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NETLINK_ROUTE, NetlinkQuery } from './netlink.ts';
import { AF_INET6, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';
import { WayOut } from './way-out.ts';

/** Names and numbers as in linux/rtnetlink.h, if_link.h and if_addr.h. */
const RTM = { SETLINK: 19, NEWADDR: 20, DELADDR: 21, NEWROUTE: 24, DELROUTE: 25 } as const;
/** struct ifinfomsg, struct ifaddrmsg and struct rtmsg. */
const LINK_BODY = 16;
const ADDRESS_BODY = 8;
const ROUTE_BODY = 12;
const IFLA = { MTU: 4, TXQLEN: 13, AF_SPEC: 26 } as const;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const NLA_F_NESTED = 0x8000;
const IFF_UP = 1;
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
const IFA_F_NODAD = 2;
const RTA = { DST: 1, SRC: 2, OIF: 4, GATEWAY: 5, PRIORITY: 6 } as const;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

/** A route into an interface. Without a metric the kernel uses its default (1024). */
export interface RouteChange {
  readonly destination: Uint8Array;
  readonly prefixLength: number;
  readonly source?: Uint8Array;
  readonly gateway?: Uint8Array;
  readonly metric?: number;
}

/** Changes interfaces, of the network namespace in which `open` opens sockets. All methods throw a SystemCallError. */
export class InterfaceChanges {
  private readonly open: OpenSocket;

  constructor(open: OpenSocket = openSocket) {
    this.open = open;
  }

  /** Takes an interface up, with this MTU. */
  takeUp(name: string, mtu: number): void {
    this.change(name, 'up', (query, ifindex) =>
      query
        .begin(RTM.SETLINK, LINK_BODY, (view, at) => {
          view.setInt32(at + 4, ifindex, true);
          view.setUint32(at + 8, IFF_UP, true);
          view.setUint32(at + 12, IFF_UP, true);
        })
        .add(IFLA.MTU, 4, mtu, true)
        .change(),
    );
  }

  /** Sets how many packets wait for an interface. */
  setQueueLength(name: string, packets: number): void {
    this.change(name, 'queue length', (query, ifindex) =>
      query
        .begin(RTM.SETLINK, LINK_BODY, (view, at) => view.setInt32(at + 4, ifindex, true))
        .add(IFLA.TXQLEN, 4, packets, true)
        .change(),
    );
  }

  /** Keeps the kernel from giving the interface a link-local address. Throws if the kernel does not know the mode. */
  withoutOwnLinkLocal(name: string): void {
    const octets = Uint8Array.of(5, 0, IFLA_INET6_ADDR_GEN_MODE, 0, IN6_ADDR_GEN_MODE_NONE, 0, 0, 0);
    const family = new Uint8Array(4 + octets.length);
    new DataView(family.buffer).setUint16(0, family.length, true);
    new DataView(family.buffer).setUint16(2, AF_INET6 | NLA_F_NESTED, true);
    family.set(octets, 4);
    this.change(name, 'addrgenmode', (query, ifindex) =>
      query
        .begin(RTM.SETLINK, LINK_BODY, (view, at) => view.setInt32(at + 4, ifindex, true))
        .addOctets(IFLA.AF_SPEC | NLA_F_NESTED, family)
        .change(),
    );
  }

  /** Gives an interface an address, without asking whether another host has it. */
  addAddress(name: string, address: Uint8Array, prefixLength: number): void {
    this.changeAddress(RTM.NEWADDR, 'new', name, address, prefixLength);
  }

  /** Throws EADDRNOTAVAIL or ENODEV if the address or interface does not exist. */
  removeAddress(name: string, address: Uint8Array, prefixLength: number): void {
    this.changeAddress(RTM.DELADDR, 'there', name, address, prefixLength);
  }

  /** Throws EEXIST if the route exists already. */
  addRoute(name: string, route: RouteChange): void {
    this.changeRoute(RTM.NEWROUTE, 'new', name, route);
  }

  /** Throws ESRCH or ENODEV if the route or interface does not exist. */
  removeRoute(name: string, route: RouteChange): void {
    this.changeRoute(RTM.DELROUTE, 'there', name, route);
  }

  private changeAddress(
    kind: number,
    object: 'new' | 'there',
    name: string,
    address: Uint8Array,
    prefixLength: number,
  ): void {
    this.change(name, 'address', (query, ifindex) =>
      query
        .begin(kind, ADDRESS_BODY, (view, at) => {
          view.setUint8(at, AF_INET6);
          view.setUint8(at + 1, prefixLength);
          view.setUint8(at + 2, IFA_F_NODAD);
          view.setUint32(at + 4, ifindex, true);
        })
        .addOctets(IFA.LOCAL, address)
        .addOctets(IFA.ADDRESS, address)
        .change(object),
    );
  }

  private changeRoute(kind: number, object: 'new' | 'there', name: string, route: RouteChange): void {
    const { destination, prefixLength, source, gateway, metric } = route;
    this.change(name, 'route', (query, ifindex) => {
      query.begin(kind, ROUTE_BODY, (view, at) => {
        view.setUint8(at, AF_INET6);
        view.setUint8(at + 1, prefixLength);
        view.setUint8(at + 2, source === undefined ? 0 : 128);
        view.setUint8(at + 4, RT_TABLE_MAIN);
        view.setUint8(at + 5, object === 'new' ? RTPROT_BOOT : 0);
        view.setUint8(at + 7, object === 'new' ? RTN_UNICAST : 0);
      });
      query.addOctets(RTA.DST, destination).add(RTA.OIF, 4, ifindex, true);
      if (source !== undefined) query.addOctets(RTA.SRC, source);
      if (gateway !== undefined) query.addOctets(RTA.GATEWAY, gateway);
      if (metric !== undefined) query.add(RTA.PRIORITY, 4, metric, true);
      return query.change(object);
    });
  }

  private change(name: string, call: string, ask: (query: NetlinkQuery, ifindex: number) => boolean): void {
    const ifindex = indexOf(name, this.open);
    const query = new NetlinkQuery(NETLINK_ROUTE, this.open);
    try {
      if (!ask(query, ifindex)) throw new SystemCallError(call, query.refusal);
    } finally {
      query.close();
    }
  }
}

/** Throws a SystemCallError: ENODEV if no interface has this name. */
export function indexOf(name: string, open: OpenSocket = openSocket): number {
  const wayOut = new WayOut(open);
  try {
    const link = wayOut.link(name);
    if (link === undefined) throw new SystemCallError('SIOCGIFINDEX', E.ENODEV);
    return link.ifindex;
  } finally {
    wayOut.close();
  }
}
