import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, forEachAttribute, textIn } from './netlink.ts';

const RTM_GETLINK = 18;
/** struct ifinfomsg. */
const BODY = 16;
const IFLA = { NAME: 3, MTU: 4, LINK: 5, MASTER: 10, LINKINFO: 18, EXT_MASK: 29, LINK_NETNSID: 37 } as const;
const IFLA_INFO_KIND = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const IFF = { UP: 0x1, LOOPBACK: 0x8 } as const;
/** Kinds whose interfaces have addresses and frames of Ethernet, but no network behind them. */
const NOWHERE = new Set(['dummy', 'ifb']);
const ARPHRD_ETHER = 1;
/** Interfaces that are read; of a host with more, the rest is not known. */
const MOST = 4_096;
/** A list that changes while it is given is asked for again, so many times in all. */
const ATTEMPTS = 5;

/** An interface of this host. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** The kernel's name for its kind: `bridge`, `vlan`, `veth` ...; empty for hardware and other interfaces that need no kind. */
  readonly kind: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Its packets have an Ethernet header. */
  readonly isEthernet: boolean;
  /** Index of the bridge, bond ... that it is a part of; 0 where it is none. */
  readonly master: number;
  /** Index of the interface that it is stacked on; 0 where it is none, `unseen` where that is in another network namespace. */
  readonly below: number | 'unseen';
}

/** All interfaces of this network namespace, by index. Throws a SystemCallError. */
export function readLinks(): ReadonlyMap<number, Link> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const links = new Map<number, Link>();
    // A new socket each time: on one whose list was given up the kernel continues that list.
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

/** Whether frames of Ethernet come in there from elsewhere. */
export function receives({ isEthernet, kind }: Link): boolean {
  return isEthernet && !NOWHERE.has(kind);
}

/** Whether nothing comes in there from elsewhere, but it has addresses by which others reach this host: `lo`, `dummy`. */
export function isForAddresses({ isLoopback, kind }: Link): boolean {
  return isLoopback || NOWHERE.has(kind);
}

function linkIn(view: DataView, at: number, end: number): Link {
  const ifindex = view.getInt32(at + 4, true);
  const flags = view.getUint32(at + 8, true);
  let [name, kind, mtu, master, below, isElsewhere] = ['', '', 0, 0, 0, false];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === IFLA.NAME) name = textIn(view, value, valueEnd);
    else if (type === IFLA.MTU) mtu = view.getUint32(value, true);
    else if (type === IFLA.MASTER) master = view.getUint32(value, true);
    else if (type === IFLA.LINK) below = view.getUint32(value, true);
    else if (type === IFLA.LINK_NETNSID) isElsewhere = true;
    else if (type === IFLA.LINKINFO)
      forEachAttribute(view, value, valueEnd, (inner, from, to) => {
        if (inner === IFLA_INFO_KIND) kind = textIn(view, from, to);
      });
  });
  return {
    ifindex,
    name,
    kind,
    mtu,
    master,
    isUp: (flags & IFF.UP) !== 0,
    isLoopback: (flags & IFF.LOOPBACK) !== 0,
    isEthernet: view.getUint16(at + 2, true) === ARPHRD_ETHER,
    below: isElsewhere ? 'unseen' : below,
  };
}
