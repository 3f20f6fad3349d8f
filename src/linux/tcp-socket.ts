import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { Listener } from './listener.ts';
import type { Peer } from './listener.ts';
import { AF_INET, AF_INET6, OPTION, SOCK_NONBLOCK, SOCK_STREAM, openSocket, setOption } from './socket.ts';
import { SocketOwners } from './socket-owner.ts';
import type { TcpEnd } from './socket-owner.ts';

/** struct sockaddr_in and sockaddr_in6: their lengths, and the place of the address. */
const LENGTH = { [AF_INET]: 16, [AF_INET6]: 28 } as const;
const ADDRESS_AT = { [AF_INET]: 4, [AF_INET6]: 8 } as const;
const SIZE = { [AF_INET]: 4, [AF_INET6]: 16 } as const;
const NOWHERE = new Uint8Array(0);
const LENGTH_AT = 28;
/** Static, because the kernel reads and writes it through its address. */
const scratch = new Memory(32);

/** Another host or process at the other end of a connection. */
export interface TcpPeer extends Peer {
  /** IPv4 or IPv6 address of another host, 4 or 16 octets; none where {@link uid} says more, or the connection has ended already. */
  readonly address: Uint8Array;
  /** The user of a process on this host; undefined of another host, and where the kernel does not say. */
  readonly uid: number | undefined;
}

/** A listening TCP socket. */
export class TcpListener extends Listener<TcpPeer> {
  readonly port: number;
  private readonly owners: SocketOwners;

  /** `address`: 4 or 16 octets. Port 0: any free one. Throws a SystemCallError. */
  constructor(address: Uint8Array, port: number) {
    const owners = new SocketOwners();
    const family = address.length === 4 ? AF_INET : AF_INET6;
    super(
      openSocket(family, SOCK_STREAM | SOCK_NONBLOCK),
      (fd) => identify(fd, owners),
      (fd) => bindTo(fd, { family, address, port }),
    );
    this.owners = owners;
    this.port = readEnd(this.fd, sys.getsockname, own) ? own.port : port;
  }

  override close(): void {
    super.close();
    this.owners.close();
  }
}

function bindTo(fd: number, { family, address, port }: TcpEnd): void {
  setOption(fd, OPTION.REUSEADDR, 1);
  if (family === AF_INET6) setOption(fd, OPTION.IPV6_V6ONLY, 1);
  scratch.bytes.fill(0);
  scratch.view.setUint16(0, family, true);
  scratch.view.setUint16(2, port);
  scratch.bytes.set(address, placeIn(ADDRESS_AT, family));
  if (sys.bind(fd, scratch.address, placeIn(LENGTH, family)) < 0) throw new SystemCallError('bind', errno());
}

/** The two ends of the connection that is looked at: a flood of connections shall leave no garbage. */
const [remote, own] = [emptyEnd(), emptyEnd()];

function emptyEnd(): TcpEnd {
  return { family: AF_INET, address: new Uint8Array(16), port: 0 };
}

function identify(fd: number, owners: SocketOwners): TcpPeer {
  if (!readEnd(fd, sys.getpeername, remote) || !readEnd(fd, sys.getsockname, own))
    return { fd, address: NOWHERE, uid: undefined };
  const uid = owners.uidOf(remote, own);
  const address = uid === undefined ? remote.address.slice(0, placeIn(SIZE, remote.family)) : NOWHERE;
  return { fd, address, uid };
}

/** False where the connection has ended. */
function readEnd(fd: number, ask: typeof sys.getpeername, end: TcpEnd): boolean {
  scratch.view.setUint32(LENGTH_AT, LENGTH_AT, true);
  if (ask(fd, scratch.address, scratch.address + LENGTH_AT) < 0) return false;
  end.family = scratch.view.getUint16(0, true);
  end.port = scratch.view.getUint16(2);
  const [from, size] = [placeIn(ADDRESS_AT, end.family), placeIn(SIZE, end.family)];
  for (let i = 0; i < 16; i++) end.address[i] = i < size ? scratch.bytes[from + i]! : 0;
  return true;
}

function placeIn(places: Readonly<Record<number, number>>, family: number): number {
  return places[family] ?? 0;
}
