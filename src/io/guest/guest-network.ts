import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { Socket, createServer } from 'node:net';
import type { Server } from 'node:net';
import { TcpSource, UdpSource, bindIpv6 } from '../../linux/guest/socket-source.ts';
import type { TcpSourceSockets } from '../../linux/guest/socket-source.ts';
import { sys } from '../../linux/libc.ts';

/** Sockets in the network of a guest, for this process. All methods throw a SystemCallError where the system refuses. */
export class GuestNetwork {
  private readonly tcp: TcpSource;
  private readonly udp: UdpSource;

  constructor(tcp: TcpSourceSockets, udp: readonly number[]) {
    this.tcp = new TcpSource(tcp);
    this.udp = new UdpSource(udp);
  }

  /** A connection that begins. Its failure is an event. */
  connect(address: string, port: number): Socket {
    const socket = new Socket({ fd: this.tcp.make(), manualStart: true, allowHalfOpen: true } as object);
    return socket.connect({ host: address, port, family: 6 });
  }

  /** A server that listens inside. Its sockets are paused. */
  listen(address: Uint8Array, port: number, backlog: number): Server {
    const fd = this.tcp.make();
    bound(fd, address, port);
    return createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen({ fd }, backlog);
  }

  /** A UDP socket; undefined when all are in use. */
  openUdp(bind?: { readonly address: Uint8Array; readonly port: number }): UdpSocket | undefined {
    const taken = this.udp.take();
    if (taken === undefined) return undefined;
    const { copy, giveBack } = taken;
    const socket = createSocket('udp6');
    socket.on('close', giveBack);
    try {
      if (bind !== undefined) bound(copy, bind.address, bind.port);
      return socket.bind({ fd: copy });
    } catch (error) {
      socket.close();
      throw error;
    }
  }
}

/** Closes the socket where it cannot be bound. */
function bound(fd: number, address: Uint8Array, port: number): void {
  try {
    bindIpv6(fd, address, port);
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}
