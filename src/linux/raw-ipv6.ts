import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';
import { Memory, errno, sys } from './libc.ts';
import { AF_INET6, SOCK_RAW, openSocket } from './socket.ts';

/** IPPROTO_RAW: the packet contains its own IPv6 header, source included. */
const IPPROTO_RAW = 255;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_IN6 = 28;
const DESTINATION = 24;

/** Sends whole IPv6 packets along the host's routes. */
export class RawIpv6Socket {
  readonly failures: Failures = {};
  private readonly fd: number;
  private readonly packet = new Memory(65_536);
  private readonly name = new Memory(SOCKADDR_IN6);
  private closed = false;

  /** Throws a SystemCallError: EPERM without CAP_NET_RAW. */
  constructor() {
    this.fd = openSocket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
    this.name.view.setUint16(0, AF_INET6, true);
  }

  send(buffer: Uint8Array, offset: number, length: number): boolean {
    if (this.closed) return false;
    this.packet.bytes.set(buffer.subarray(offset, offset + length));
    this.name.bytes.set(buffer.subarray(offset + DESTINATION, offset + DESTINATION + 16), 8);
    const sent = sys.sendto(
      this.fd,
      this.packet.address,
      length,
      MSG_DONTWAIT,
      this.name.address,
      SOCKADDR_IN6,
    );
    if (sent === length) return true;
    countFailure(this.failures, errno());
    return false;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.fd);
  }
}
