/** What the kernel knows of an interface and its neighbours that a program in its driver cannot ask for. */
import { NetlinkQuery, forEachAttribute, textIn } from './netlink.ts';
import { AF_INET } from './socket.ts';

const [RTM_GETLINK, RTM_GETNEIGH] = [18, 30];
/** struct ifinfomsg and struct ndmsg. */
const [LINK_BODY, NEIGHBOUR_BODY] = [16, 12];
const IFLA = { ADDRESS: 1, QDISC: 6, STATS64: 23 } as const;
const NDA = { DST: 1, LLADDR: 2 } as const;
/** Offset of `tx_dropped` in struct rtnl_link_stats64. */
const TX_DROPPED = 56;
/** States in which the kernel sends to a neighbour without asking first: reachable, stale, delay, probe, permanent. */
const NUD_USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const ETHERNET_ADDRESS = 6;

export interface EthernetLink {
  readonly address: Uint8Array;
  /** Packets that could not be sent. */
  readonly sendDrops: number;
  /** The kind of queue in which packets wait that leave there. */
  readonly queue: string;
}

/** Undefined if there is no such interface, or it has no Ethernet address. Throws a SystemCallError. */
export function ethernetLink(ifindex: number): EthernetLink | undefined {
  let address: Uint8Array | undefined;
  let [sendDrops, queue] = [0, ''];
  const query = new NetlinkQuery();
  try {
    query
      .begin(RTM_GETLINK, LINK_BODY, (view, at) => view.setInt32(at + 4, ifindex, true))
      .ask((view, at, end) =>
        forEachAttribute(view, at + LINK_BODY, end, (type, value, valueEnd) => {
          if (type === IFLA.ADDRESS) address = octetsIn(view, value, valueEnd);
          else if (type === IFLA.QDISC) queue = textIn(view, value, valueEnd);
          else if (type === IFLA.STATS64) sendDrops = Number(view.getBigUint64(value + TX_DROPPED, true));
        }),
      );
  } finally {
    query.close();
  }
  return address?.length === ETHERNET_ADDRESS ? { address, sendDrops, queue } : undefined;
}

/** The Ethernet address of a neighbour, if the kernel has one to which it sends. Throws a SystemCallError. */
export function neighbourAddress(ifindex: number, ipv4: number): Uint8Array | undefined {
  let address: Uint8Array | undefined;
  const query = new NetlinkQuery();
  try {
    query
      .begin(RTM_GETNEIGH, NEIGHBOUR_BODY, (view, at) => {
        view.setUint8(at, AF_INET);
        view.setInt32(at + 4, ifindex, true);
      })
      .add(NDA.DST, 4, ipv4)
      .ask((view, at, end) => {
        if ((view.getUint16(at + 8, true) & NUD_USABLE) === 0) return;
        forEachAttribute(view, at + NEIGHBOUR_BODY, end, (type, value, valueEnd) => {
          if (type === NDA.LLADDR) address = octetsIn(view, value, valueEnd);
        });
      });
  } finally {
    query.close();
  }
  return address?.length === ETHERNET_ADDRESS ? address : undefined;
}

function octetsIn(view: DataView, from: number, to: number): Uint8Array {
  return Uint8Array.from({ length: to - from }, (_, i) => view.getUint8(from + i));
}
