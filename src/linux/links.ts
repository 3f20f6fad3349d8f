import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, forEachAttribute, textIn } from './netlink.ts';

const RTM_GETLINK = 18;
/** struct ifinfomsg. */
const BODY = 16;
const IFLA = {
  ADDRESS: 1,
  NAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  ALIAS: 20,
  EXT_MASK: 29,
  LINK_NETNSID: 37,
} as const;
const IFLA_INFO_KIND = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const IFF = { UP: 0x1, BROADCAST: 0x2, LOOPBACK: 0x8, POINTOPOINT: 0x10 } as const;
/** Kinds with addresses and frames of Ethernet, but without a network behind them. */
const NOWHERE = new Set(['dummy', 'ifb']);
const ARPHRD_ETHER = 1;
/** Hardware types whose packets have no link header: PPP, RAWIP (modems), TUNNEL (IPIP), SIT, IPGRE, NONE (TUN, WireGuard). */
const ARPHRD_BARE = new Set([512, 519, 768, 776, 778, 0xfffe]);
/** Kinds that need a packet's own route, which a packet of a program does not have. */
const BY_ROUTE = new Set(['vti', 'xfrm']);
/** The most interfaces that are read; on a host with more, the rest is unknown. */
const MOST = 4_096;
/** A list that changes while it is read is requested again, this many times in all. */
const ATTEMPTS = 5;

/** An interface of this host. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** The kernel's name for its kind: `bridge`, `vlan`, `veth` ...; empty for hardware and other interfaces without a kind. */
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Its packets have an Ethernet header. */
  readonly isEthernet: boolean;
  /** Its packets have no link header, and all go to the same other end. */
  readonly isBare: boolean;
  /** Its own address on the link; of Ethernet, six octets. */
  readonly linkAddress: readonly number[];
  /** Index of the bridge, bond ... that it is a part of; 0 if there is none. */
  readonly master: number;
  /** Index of the interface below it; 0 if there is none, `unseen` if that is in another network namespace. */
  readonly below: number | 'unseen';
  /** A text that describes it; absent if there is none. */
  readonly alias?: string;
}

/** All interfaces of this network namespace, by index. Throws a SystemCallError. */
export function readLinks(): ReadonlyMap<number, Link> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const links = new Map<number, Link>();
    // A new socket each time: if a list was abandoned, the kernel would continue it on the same socket.
    const query = new NetlinkQuery();
    try {
      const isWhole = query
        .begin(RTM_GETLINK, BODY, () => {})
        .add(IFLA.EXT_MASK, 4, RTEXT_FILTER_SKIP_STATS, true)
        .list((view, at, end) => {
          const link = linkIn(view, at, end);
          links.set(link.ifindex, link);
          return links.size < MOST;
        });
      if (isWhole || links.size >= MOST) return links;
    } finally {
      query.close();
    }
  }
  throw new SystemCallError('RTM_GETLINK', E.EAGAIN);
}

/** An interface of this network namespace; undefined if there is none with that index. Throws a SystemCallError. */
export function readLink(ifindex: number): Link | undefined {
  let link: Link | undefined;
  const query = new NetlinkQuery();
  try {
    query
      .begin(RTM_GETLINK, BODY, (view, at) => view.setInt32(at + 4, ifindex, true))
      .add(IFLA.EXT_MASK, 4, RTEXT_FILTER_SKIP_STATS, true)
      .ask((view, at, end) => (link = linkIn(view, at, end)));
    return link;
  } finally {
    query.close();
  }
}

/** Whether Ethernet frames from other hosts can arrive there. */
export function receives({ isEthernet, kind }: Link): boolean {
  return isEthernet && !NOWHERE.has(kind);
}

/** Whether datagrams of peers from other hosts can arrive there, and can be told from other packets. */
export function receivesPeers(link: Link): boolean {
  return receives(link) || link.isBare;
}

/** Whether nothing from other hosts arrives there, but its addresses are ones at which they reach this host: `lo`, `dummy`. */
export function isForAddresses({ isLoopback, kind }: Link): boolean {
  return isLoopback || NOWHERE.has(kind);
}

function linkIn(view: DataView, at: number, end: number): Link {
  const ifindex = view.getInt32(at + 4, true);
  const flags = view.getUint32(at + 8, true);
  let [name, kind, alias, mtu, master, below, isElsewhere] = ['', '', '', 0, 0, 0, false];
  let linkAddress: readonly number[] = [];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === IFLA.ADDRESS) linkAddress = octetsIn(view, value, valueEnd);
    else if (type === IFLA.NAME) name = textIn(view, value, valueEnd);
    else if (type === IFLA.ALIAS) alias = textIn(view, value, valueEnd);
    else if (type === IFLA.MTU) mtu = view.getUint32(value, true);
    else if (type === IFLA.MASTER) master = view.getUint32(value, true);
    else if (type === IFLA.LINK) below = view.getUint32(value, true);
    else if (type === IFLA.LINK_NETNSID) isElsewhere = true;
    else if (type === IFLA.LINKINFO)
      forEachAttribute(view, value, valueEnd, (inner, from, to) => {
        if (inner === IFLA_INFO_KIND) kind = textIn(view, from, to);
      });
  });
  const hardware = view.getUint16(at + 2, true);
  const isPointToPoint = (flags & (IFF.POINTOPOINT | IFF.BROADCAST)) === IFF.POINTOPOINT;
  return {
    ifindex,
    name,
    kind,
    mtu,
    master,
    isUp: (flags & IFF.UP) !== 0,
    isLoopback: (flags & IFF.LOOPBACK) !== 0,
    isEthernet: hardware === ARPHRD_ETHER,
    isBare: ARPHRD_BARE.has(hardware) && isPointToPoint && !BY_ROUTE.has(kind),
    linkAddress,
    below: isElsewhere ? 'unseen' : below,
    ...(alias === '' ? {} : { alias }),
  };
}

function octetsIn(view: DataView, from: number, to: number): readonly number[] {
  return [...new Uint8Array(view.buffer, view.byteOffset + from, to - from)];
}
