import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NetlinkQuery, forEachAttribute, textIn } from './netlink.ts';

const RTM_GETLINK = 18;
/** struct ifinfomsg: family, type, index, flags. */
const [BODY, TYPE, INDEX, FLAGS] = [16, 2, 4, 8];
const IFLA = { IFNAME: 3, MASTER: 10, EXT_MASK: 29 } as const;
const RTEXT_FILTER_SKIP_STATS = 8;
const ARPHRD_ETHER = 1;
const IFF = { UP: 0x1, LOOPBACK: 0x8, NOARP: 0x80 } as const;

/** An interface, as far as it matters where datagrams come in. */
export interface LinkState {
  readonly ifindex: number;
  readonly name: string;
  readonly isUp: boolean;
  /** A network of Ethernet frames is behind it: neither `lo` nor one that leads nowhere, as `dummy`. */
  readonly isEthernet: boolean;
  /** Nothing ever comes in there, but it has addresses: `lo`, and `dummy`. */
  readonly isForAddresses: boolean;
  /** It is part of another interface, which gets its frames: a bridge's or a bond's, or in a VRF. */
  readonly isPart: boolean;
}

/** All interfaces of this network. Throws a SystemCallError: E2BIG where there are more than `most`. */
export function links(most: number): LinkState[] {
  const query = new NetlinkQuery();
  const all: LinkState[] = [];
  try {
    const listed = query
      .begin(RTM_GETLINK, BODY, () => {})
      .add(IFLA.EXT_MASK, 4, RTEXT_FILTER_SKIP_STATS, true)
      .list((view, at, end) => {
        all.push(linkIn(view, at, end));
        return all.length <= most;
      });
    if (!listed) throw new SystemCallError('RTM_GETLINK', all.length > most ? E.E2BIG : E.EAGAIN);
    return all;
  } finally {
    query.close();
  }
}

function linkIn(view: DataView, at: number, end: number): LinkState {
  const flags = view.getUint32(at + FLAGS, true);
  const isEther = view.getUint16(at + TYPE, true) === ARPHRD_ETHER;
  const leadsNowhere = (flags & IFF.NOARP) !== 0;
  let [name, master] = ['', 0];
  forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
    if (type === IFLA.IFNAME) name = textIn(view, value, valueEnd);
    else if (type === IFLA.MASTER) master = view.getUint32(value, true);
  });
  return {
    ifindex: view.getInt32(at + INDEX, true),
    name,
    isUp: (flags & IFF.UP) !== 0,
    isEthernet: isEther && !leadsNowhere,
    isForAddresses: (flags & IFF.LOOPBACK) !== 0 || (isEther && leadsNowhere),
    isPart: master !== 0,
  };
}
