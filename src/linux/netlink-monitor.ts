import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { AF_NETLINK, NETLINK_ROUTE } from './netlink.ts';
import { Poll } from './poll.ts';
import { SOCK_NONBLOCK, SOCK_RAW, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';

/** RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV4_RULE, _IPV6_IFADDR, _IPV6_ROUTE, and RTNLGRP_NEXTHOP, the 32nd. */
const GROUPS = (0x1 | 0x10 | 0x40 | 0x80 | 0x100 | 0x400 | 0x8000_0000) >>> 0;

/** Reports that links, addresses, routes, their next hops, or the IPv4 rules have changed. The content of the messages is not read. */
export class NetlinkMonitor {
  private readonly fd: number;
  private readonly memory = new Memory(16_384);
  private poll: Poll | undefined;
  private closed = false;

  constructor(open: OpenSocket = openSocket) {
    this.fd = open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
    const { view, address } = this.memory; // used for the address first: a struct sockaddr_nl
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, GROUPS, true);
    if (sys.bind(this.fd, address, 12) < 0) {
      const error = errno();
      sys.close(this.fd);
      throw new SystemCallError('bind', error);
    }
  }

  start(onChange: () => void): void {
    this.poll = new Poll(this.fd, () => {
      // A read that fails because messages were lost means the same: something has changed.
      for (let i = 0; i < 64 && sys.read(this.fd, this.memory.address, 16_384) > 0; i++);
      onChange();
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.poll?.close();
    sys.close(this.fd);
  }
}
