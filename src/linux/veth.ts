import { SystemCallError } from './errors.ts';
import { E } from './libc.ts';
import { NETLINK_ROUTE, NetlinkQuery } from './netlink.ts';

/** Names and numbers as in linux/rtnetlink.h, if_link.h and veth.h. */
const RTM = { NEWLINK: 16, DELLINK: 17, SETLINK: 19 } as const;
const IFLA = { ADDRESS: 1, NAME: 3, LINKINFO: 18, ALIAS: 20, NUM_TX_QUEUES: 31, NUM_RX_QUEUES: 32 } as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const NLA_F_NESTED = 0x8000;
/** struct ifinfomsg. */
const BODY = 16;

/** One of two virtual Ethernet interfaces. udev leaves an address that was given at the beginning as it is. */
export interface VethEnd {
  readonly name: string;
  readonly address: readonly number[];
}

/**
 * Makes two virtual Ethernet interfaces. What is sent by one end comes in at the other. Each has so many queues. Throws a SystemCallError: EEXIST if a
 * name is taken, EOPNOTSUPP if the kernel has no such interfaces.
 */
export function makeVeth(first: VethEnd, second: VethEnd, queues: number): void {
  const peer = concat(new Uint8Array(BODY), ...endOf(second, queues));
  const info = concat(
    attribute(IFLA_INFO.KIND, textOf('veth')),
    attribute(IFLA_INFO.DATA | NLA_F_NESTED, attribute(VETH_INFO_PEER | NLA_F_NESTED, peer)),
  );
  change('RTM_NEWLINK', 'new', (query) => {
    query.begin(RTM.NEWLINK, BODY, () => {}).addOctets(IFLA.NAME, textOf(first.name));
    query.addOctets(IFLA.ADDRESS, Uint8Array.from(first.address));
    query.add(IFLA.NUM_TX_QUEUES, 4, queues, true).add(IFLA.NUM_RX_QUEUES, 4, queues, true);
    query.addOctets(IFLA.LINKINFO | NLA_F_NESTED, info);
  });
}

/** Sets the text that `ip link` shows beside an interface. Throws a SystemCallError. */
export function setAlias(ifindex: number, alias: string): void {
  change('RTM_SETLINK', 'there', (query) =>
    query
      .begin(RTM.SETLINK, BODY, (view, at) => view.setInt32(at + 4, ifindex, true))
      .addOctets(IFLA.ALIAS, new TextEncoder().encode(alias)),
  );
}

/** Removes an interface; of a veth the other end, too. One that is not there is no error. Throws a SystemCallError. */
export function removeLink(ifindex: number): void {
  try {
    change('RTM_DELLINK', 'there', (query) =>
      query.begin(RTM.DELLINK, BODY, (view, at) => view.setInt32(at + 4, ifindex, true)),
    );
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code !== 'ENODEV') throw error;
  }
}

function change(call: string, object: 'new' | 'there', write: (query: NetlinkQuery) => void): void {
  const query = new NetlinkQuery(NETLINK_ROUTE);
  try {
    write(query);
    if (!query.change(object)) throw new SystemCallError(call, query.refusal || E.EIO);
  } finally {
    query.close();
  }
}

function endOf({ name, address }: VethEnd, queues: number): Uint8Array[] {
  return [
    attribute(IFLA.NAME, textOf(name)),
    attribute(IFLA.ADDRESS, Uint8Array.from(address)),
    attribute(IFLA.NUM_TX_QUEUES, wordOf(queues)),
    attribute(IFLA.NUM_RX_QUEUES, wordOf(queues)),
  ];
}

function attribute(type: number, content: Uint8Array): Uint8Array {
  const octets = new Uint8Array((4 + content.length + 3) & ~3);
  const view = new DataView(octets.buffer);
  view.setUint16(0, 4 + content.length, true);
  view.setUint16(2, type, true);
  octets.set(content, 4);
  return octets;
}

/** With its final zero. */
function textOf(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function wordOf(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
