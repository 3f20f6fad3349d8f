import { SystemCallError } from '../../linux/errors.ts';
import type { GuestDescriptor } from '../../linux/guest/inside.ts';
import { E, errno, sys } from '../../linux/libc.ts';
import { AF_NETLINK, NETLINK_NETFILTER } from '../../linux/netlink.ts';
import type { OpenSocket } from '../../linux/socket.ts';
import type { Guest } from './guest.ts';

const F_DUPFD_CLOEXEC = 1_030;

/** Sockets of a guest, from the descriptors that its agent has passed. */
export class GuestSockets {
  private readonly guest: () => Guest;

  constructor(guest: () => Guest) {
    this.guest = guest;
  }

  /** For questions and changes: all get the same socket. A rule table belongs to a socket, so nftables' is passed on once. */
  readonly open: OpenSocket = (domain, _type, protocol) => {
    if (domain !== AF_NETLINK) return this.copy('links');
    return protocol === NETLINK_NETFILTER ? this.take('rules') : this.copy('queries');
  };

  /** The socket itself. Throws a SystemCallError: EPROTONOSUPPORT when the guest has none. */
  take(name: GuestDescriptor): number {
    const fd = this.guest().descriptors[name];
    if (fd === undefined) throw new SystemCallError('socket', E.EPROTONOSUPPORT);
    return fd;
  }

  private copy(name: GuestDescriptor): number {
    const fd = sys.fcntl(this.take(name), F_DUPFD_CLOEXEC, 3);
    if (fd < 0) throw new SystemCallError('dup', errno());
    return fd;
  }
}
