import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, forEachAttribute } from './netlink.ts';

const RTM_GETLINK = 18;
/** struct ifinfomsg. */
const BODY = 16;
const IFLA = { NAME: 3, MTU: 4, LINK: 5, MASTER: 10, LINKINFO: 18, LINK_NETNSID: 37 } as const;
const IFLA_INFO_KIND = 1;
const IFF_UP = 1;
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
  /** Its packets have an Ethernet header. */
  readonly isEthernet: boolean;
  /** Index of the bridge, bond ... that it is a part of; 0 where it is none. */
  readonly master: number;
  /** Index of the interface that it is stacked on; 0 where it is none, `unseen` where that is in another network namespace. */
  readonly below: number | 'unseen';
}

/** All interfaces of this network namespace, by index. Throws a SystemCallError. */
export function readLinks(): ReadonlyMap<number, Link> {
  const query = new NetlinkQuery();
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const links = new Map<number, Link>();
      const isWhole = query
        .begin(RTM_GETLINK, BODY, () => {})
        .list((view, at, end) => {
          const link = linkIn(view, at, end);
          links.set(link.ifindex, link);
          return links.size < MOST;
        });
      if (isWhole || links.size >= MOST) return links;
    }
    throw new SystemCallError('RTM_GETLINK', E.EAGAIN);
  } finally {
    query.close();
  }
}

function linkIn(view: DataView, at: number, end: number): Link {
  const ifindex = view.getInt32(at + 4, true);
  let [name, kind, mtu, master, below, isElsewhere] = ['', '', 0, 0, 0, false];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === IFLA.NAME) name = textOf(view, value, valueEnd);
    else if (type === IFLA.MTU) mtu = view.getUint32(value, true);
    else if (type === IFLA.MASTER) master = view.getUint32(value, true);
    else if (type === IFLA.LINK) below = view.getUint32(value, true);
    else if (type === IFLA.LINK_NETNSID) isElsewhere = true;
    else if (type === IFLA.LINKINFO)
      forEachAttribute(view, value, valueEnd, (inner, from, to) => {
        if (inner === IFLA_INFO_KIND) kind = textOf(view, from, to);
      });
  });
  return {
    ifindex,
    name,
    kind,
    mtu,
    master,
    isUp: (view.getUint32(at + 8, true) & IFF_UP) !== 0,
    isEthernet: view.getUint16(at + 2, true) === ARPHRD_ETHER,
    below: isElsewhere ? 'unseen' : below,
  };
}

function textOf(view: DataView, from: number, end: number): string {
  const bytes = new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset + from, end - from);
  return new TextDecoder().decode(bytes).split('\0')[0]!;
}
