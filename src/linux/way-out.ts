import { SystemCallError } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { AF_INET, SOCK_DGRAM, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';

const SIOCGIFFLAGS = 0x8913;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const IFF_UP = 1;
const ARPHRD_ETHER = 1;
/** struct ifreq: a name of 16 bytes, then the requested property. */
const IFREQ = 40;
const ANSWER = 16;

export interface Link {
  readonly ifindex: number;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isEthernet: boolean;
}

/** Asks the kernel about the interfaces by which datagrams leave; one socket for all questions. */
export class WayOut {
  private readonly fd: number;
  private readonly memory = new Memory(IFREQ);
  private closed = false;

  constructor(open: OpenSocket = openSocket) {
    this.fd = open(AF_INET, SOCK_DGRAM);
  }

  /** An interface's properties; undefined if none has that name. Throws a SystemCallError. */
  link(name: string): Link | undefined {
    const ifindex = this.ask(name, SIOCGIFINDEX);
    const mtu = this.ask(name, SIOCGIFMTU);
    const type = this.ask(name, SIOCGIFHWADDR);
    const flags = this.ask(name, SIOCGIFFLAGS);
    if (ifindex === undefined || mtu === undefined || type === undefined || flags === undefined)
      return undefined;
    return {
      ifindex,
      mtu,
      isUp: (flags & IFF_UP) !== 0,
      isEthernet: (type & 0xffff) === ARPHRD_ETHER,
    };
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.fd);
  }

  private ask(name: string, request: number): number | undefined {
    const { bytes, view, address } = this.memory;
    bytes.fill(0);
    new TextEncoder().encodeInto(name, bytes.subarray(0, ANSWER - 1));
    if (sys.ioctl(this.fd, request, address) >= 0) return view.getInt32(ANSWER, true);
    const error = errno();
    if (error === E.ENODEV) return undefined;
    throw new SystemCallError('ioctl', error);
  }
}
