import { NETLINK_SOCK_DIAG, NetlinkQuery } from './netlink.ts';
import { survive } from './system-failures.ts';

const SOCK_DIAG_BY_FAMILY = 20;
const [IPPROTO_TCP, IPPROTO_UDP] = [6, 17];
const ANY_STATE = 0xffffffff;
const ANY_COOKIE = 0xffffffff;
const ESTABLISHED = 1;
/** struct inet_diag_req_v2, and the place of its struct inet_diag_sockid. linux/inet_diag.h */
const [REQUEST, ID] = [56, 8];
/** Fields of struct inet_diag_msg. */
const [STATE, UID, INODE] = [1, 64, 68];

/** One end of a connection, or the place of a socket, by the family AF_INET or AF_INET6. */
export interface TcpEnd {
  family: number;
  /** 16 octets, of which an IPv4 address takes the first. */
  readonly address: Uint8Array;
  port: number;
}

/** Finds the users of sockets on this host. */
export class SocketOwners {
  private query: NetlinkQuery | undefined;

  /**
   * The user of the socket at `from` that is connected to `to`; undefined where it is on another host, is closed already, or the kernel does not say.
   */
  uidOf(from: TcpEnd, to: TcpEnd): number | undefined {
    return this.ask(IPPROTO_TCP, from, to);
  }

  /** The user of the UDP socket at `from` that gets datagrams from `to`; undefined as above. The kernel takes source and destination in the other order. */
  uidOfUdp(from: TcpEnd, to: TcpEnd): number | undefined {
    return this.ask(IPPROTO_UDP, to, from);
  }

  private ask(protocol: number, from: TcpEnd, to: TcpEnd): number | undefined {
    let uid: number | undefined;
    survive(() => {
      this.query ??= new NetlinkQuery(NETLINK_SOCK_DIAG);
      this.query
        .begin(SOCK_DIAG_BY_FAMILY, REQUEST, (view, at) => writeRequest(view, at, protocol, from, to))
        .ask((view, at) => void (uid = userIn(view, at, protocol)));
    });
    return uid;
  }

  close(): void {
    this.query?.close();
    this.query = undefined;
  }
}

function writeRequest(view: DataView, at: number, protocol: number, from: TcpEnd, to: TcpEnd): void {
  view.setUint8(at, from.family);
  view.setUint8(at + 1, protocol);
  view.setUint32(at + 4, ANY_STATE, true);
  view.setUint16(at + ID, from.port);
  view.setUint16(at + ID + 2, to.port);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(from.address, at + ID + 4);
  bytes.set(to.address, at + ID + 20);
  view.setUint32(at + ID + 40, ANY_COOKIE, true);
  view.setUint32(at + ID + 44, ANY_COOKIE, true);
}

/** Of a socket that its process has closed the kernel gives 0, root: it counts only with an inode, and while the connection stands. */
function userIn(view: DataView, at: number, protocol: number): number | undefined {
  const isOver = protocol === IPPROTO_TCP && view.getUint8(at + STATE) !== ESTABLISHED;
  const stands = !isOver && view.getUint32(at + INODE, true) !== 0;
  return stands ? view.getUint32(at + UID, true) : undefined;
}
