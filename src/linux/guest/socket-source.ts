/**
 * Sockets in the network of a guest, made by a process outside it. A socket belongs to the network in which it was opened, and only a process inside
 * can open one. But the kernel puts an accepted connection into the network of its listening socket, and a connection that is undone is a new socket.
 * So the agent opens two sockets inside: one that listens on `lo`, and one that connects to it.
 */
import { SystemCallError } from '../errors.ts';
import { E, Memory, errno, sys } from '../libc.ts';
import {
  AF_INET6,
  OPTION,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  openSocket,
  setOption,
} from '../socket.ts';

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
/** SO_RCVTIMEO and SO_SNDTIMEO, with struct timeval. socket(7) */
const TIMEOUTS = [20, 21] as const;
const TIMEOUT_S = 1n;
const BACKLOG = 8;
const F_DUPFD_CLOEXEC = 1_030;
/** struct sockaddr_in6: its length, and the place of the address. */
const [ADDRESS_LENGTH, ADDRESS_AT] = [28, 8];
/** A queue of datagrams has fewer. */
const MOST_DRAINED = 10_000;
/** Static, because the kernel reads and writes it through its address. */
const scratch = new Memory(64);

/** A socket that listens on `lo` inside, and one that connects to it. */
export interface TcpSourceSockets {
  readonly listener: number;
  readonly opener: number;
}

/** Called inside. Throws a SystemCallError. */
export function openTcpSource(): TcpSourceSockets {
  const listener = openInside(SOCK_STREAM);
  scratch.bytes.set([...new TextEncoder().encode('lo'), 0]);
  check('setsockopt', sys.setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, scratch.address, 3));
  check('listen', sys.listen(listener, BACKLOG));
  const opener = openInside(SOCK_STREAM);
  for (const fd of [listener, opener]) setTimeouts(fd);
  return { listener, opener };
}

/** Called inside. Throws a SystemCallError. */
export function openUdpSockets(count: number): number[] {
  return Array.from({ length: count }, () => openInside(SOCK_DGRAM | SOCK_NONBLOCK));
}

/** Makes TCP sockets inside. */
export class TcpSource {
  private readonly sockets: TcpSourceSockets;
  private port: number;

  constructor(sockets: TcpSourceSockets) {
    this.sockets = sockets;
    this.port = localPort(sockets.listener);
  }

  /** A TCP socket that is neither bound nor connected. Throws a SystemCallError, such as EMFILE. */
  make(): number {
    const { listener, opener } = this.sockets;
    writeAddress(LOOPBACK, this.port);
    try {
      check('connect', sys.connect(opener, scratch.address, ADDRESS_LENGTH));
      return freed(this.accept(listener));
    } finally {
      undo(opener);
    }
  }

  private accept(listener: number): number {
    for (;;) {
      const fd = sys.accept4(listener, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) return fd;
      const error = errno();
      if (error === E.EINTR) continue;
      this.dropWaiting();
      throw new SystemCallError('accept4', error);
    }
  }

  /** Else the connection that could not be accepted, for lack of a descriptor, would be the next one to be accepted. */
  private dropWaiting(): void {
    const { listener } = this.sockets;
    undo(listener);
    sys.listen(listener, BACKLOG);
    this.port = localPort(listener);
  }
}

/** An accepted socket without its connection, and for all interfaces. Throws a SystemCallError. */
function freed(fd: number): number {
  undo(fd);
  try {
    check('setsockopt', sys.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, scratch.address, 0));
    return fd;
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}

/** UDP sockets inside, which are used again and again. */
export class UdpSource {
  private readonly free: number[];

  constructor(sockets: readonly number[]) {
    this.free = [...sockets];
  }

  /** Undefined: all are in use. The copy is its user's to close, and then to give back. Throws a SystemCallError. */
  take(): { readonly copy: number; readonly giveBack: () => void } | undefined {
    const fd = this.free.pop();
    if (fd === undefined) return undefined;
    const copy = sys.fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
      const error = errno();
      this.free.push(fd);
      throw new SystemCallError('dup', error);
    }
    const giveBack = (): void => {
      undo(fd);
      for (let i = 0; i < MOST_DRAINED && sys.read(fd, scratch.address, 1) >= 0; i++);
      this.free.push(fd);
    };
    return { copy, giveBack };
  }
}

/** Throws a SystemCallError: EADDRINUSE, EADDRNOTAVAIL, EACCES. */
export function bindIpv6(fd: number, address: Uint8Array, port: number): void {
  setOption(fd, OPTION.REUSEADDR, 1);
  writeAddress(address, port);
  check('bind', sys.bind(fd, scratch.address, ADDRESS_LENGTH));
}

function check(call: string, result: number): void {
  if (result < 0) throw new SystemCallError(call, errno());
}

const LOOPBACK = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

function openInside(type: number): number {
  const fd = openSocket(AF_INET6, type);
  setOption(fd, OPTION.IPV6_V6ONLY, 1);
  return fd;
}

/** This process must not wait for itself without end. */
function setTimeouts(fd: number): void {
  scratch.view.setBigInt64(0, TIMEOUT_S, true);
  scratch.view.setBigInt64(8, 0n, true);
  for (const name of TIMEOUTS) sys.setsockopt(fd, SOL_SOCKET, name, scratch.address, 16);
}

/** Undoes a connection, and a port that the kernel has chosen: AF_UNSPEC, connect(2). */
function undo(fd: number): void {
  scratch.bytes.fill(0, 0, 16);
  sys.connect(fd, scratch.address, 16);
}

function writeAddress(address: Uint8Array, port: number): void {
  scratch.bytes.fill(0, 0, ADDRESS_LENGTH);
  scratch.view.setUint16(0, AF_INET6, true);
  scratch.view.setUint16(2, port);
  scratch.bytes.set(address, ADDRESS_AT);
}

function localPort(fd: number): number {
  scratch.view.setUint32(60, ADDRESS_LENGTH, true);
  check('getsockname', sys.getsockname(fd, scratch.address, scratch.address + 60));
  return scratch.view.getUint16(2);
}
