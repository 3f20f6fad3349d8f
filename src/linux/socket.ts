import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SOL_IP = 0;
const SOL_UDP = 17;
const SOL_IPV6 = 41;

/** Socket options that are set here: level and name. */
export const OPTION = {
  REUSEADDR: [SOL_SOCKET, 2],
  REUSEPORT: [SOL_SOCKET, 15],
  SNDBUF: [SOL_SOCKET, 7],
  RCVBUF: [SOL_SOCKET, 8],
  SNDBUFFORCE: [SOL_SOCKET, 32],
  RCVBUFFORCE: [SOL_SOCKET, 33],
  MTU_DISCOVER: [SOL_IP, 10],
  RECVTOS: [SOL_IP, 13],
  MULTICAST_TTL: [SOL_IP, 33],
  MULTICAST_ALL: [SOL_IP, 49],
  IPV6_V6ONLY: [SOL_IPV6, 26],
  UDP_GRO: [SOL_UDP, 104],
} as const;

/** Level and name. */
export type SocketOption = readonly [number, number];

/** Memory for arguments of system calls. Static, so that the garbage collector cannot take it during a call. */
const scratch = new Memory(64);

/** Opens a socket in some network namespace; returns its descriptor. Throws a SystemCallError. */
export type OpenSocket = (domain: number, type: number, protocol?: number) => number;

/** Opens a socket in the network namespace of this process. Throws a SystemCallError. */
export function openSocket(domain: number, type: number, protocol = 0): number {
  const fd = sys.socket(domain, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) throw new SystemCallError('socket', errno());
  return fd;
}

/** Sets an option that is an int; false if the kernel refuses. */
export function setOption(fd: number, [level, name]: SocketOption, value: number): boolean {
  scratch.view.setInt32(0, value, true);
  return sys.setsockopt(fd, level, name, scratch.address, 4) === 0;
}

/** Reads and clears a socket's pending error; 0 if there is none, or if the descriptor is not a socket. */
export function takeSocketError(fd: number): number {
  const SO_ERROR = 4;
  scratch.view.setUint32(4, 4, true);
  if (sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, scratch.address, scratch.address + 4) < 0) return 0;
  return scratch.view.getInt32(0, true);
}

/** How many packets the kernel has dropped because the receive buffer was full. */
export function receiveDrops(fd: number): number {
  const SO_MEMINFO = 55;
  const SK_MEMINFO_DROPS = 8;
  scratch.view.setUint32(60, 60, true);
  if (sys.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, scratch.address, scratch.address + 60) < 0) return 0;
  return scratch.view.getUint32(SK_MEMINFO_DROPS * 4, true);
}

/** Joins an IPv4 group on the interface that has this address. */
export function joinGroup(fd: number, group: number, local: number): void {
  const IP_ADD_MEMBERSHIP = 35;
  scratch.view.setUint32(0, group); // struct ip_mreqn: group, address, interface index
  scratch.view.setUint32(4, local);
  scratch.view.setUint32(8, 0);
  if (sys.setsockopt(fd, SOL_IP, IP_ADD_MEMBERSHIP, scratch.address, 12) < 0) {
    throw new SystemCallError('IP_ADD_MEMBERSHIP', errno());
  }
}

/** Binds an IPv4 socket. Throws a SystemCallError. */
export function bindIpv4(fd: number, address: number, port: number): void {
  writeSockaddr(scratch.view, 0, address, port);
  if (sys.bind(fd, scratch.address, 16) < 0) throw new SystemCallError('bind', errno());
}

/** The address and port to which an IPv4 socket is bound. */
export function localEndpoint(fd: number): { address: number; port: number } {
  scratch.view.setUint32(16, 16, true);
  if (sys.getsockname(fd, scratch.address, scratch.address + 16) < 0) {
    throw new SystemCallError('getsockname', errno());
  }
  return { address: scratch.view.getUint32(4), port: scratch.view.getUint16(2) };
}

/** Whether a descriptor is an IPv4 UDP socket of this network namespace that is bound to this address and, unless that is 0, to this port. */
export function isUdpSocketAt(fd: number, address: number, port: number): boolean {
  const SO_DOMAIN = 39;
  if (readOption(fd, SO_DOMAIN) !== AF_INET || socketTypeOf(fd) !== SOCK_DGRAM) return false;
  const local = localEndpoint(fd);
  return local.address === address && (port === 0 || local.port === port) && isOfThisNamespace(fd);
}

/** Whether a descriptor is a socket of this family and protocol, and of this network namespace. */
export function isSocketOf(fd: number, family: number, protocol: number): boolean {
  const [SO_PROTOCOL, SO_DOMAIN] = [38, 39];
  const isThis = readOption(fd, SO_DOMAIN) === family && readOption(fd, SO_PROTOCOL) === protocol;
  return isThis && isOfThisNamespace(fd);
}

/**
 * Whether a socket is of this process's network namespace; true if the kernel does not say (before 5.14). False if the system gives no socket for
 * the comparison.
 */
function isOfThisNamespace(fd: number): boolean {
  const own = sys.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (own < 0) return false;
  try {
    return namespaceCookie(fd) === namespaceCookie(own);
  } finally {
    sys.close(own);
  }
}

/** A number that the kernel gives to one network namespace only; undefined if it gives none. */
function namespaceCookie(fd: number): bigint | undefined {
  const SO_NETNS_COOKIE = 71;
  scratch.view.setUint32(8, 8, true);
  const result = sys.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, scratch.address, scratch.address + 8);
  return result < 0 ? undefined : scratch.view.getBigUint64(0, true);
}

/** Such as SOCK_STREAM; -1 if the descriptor is not a socket. */
export function socketTypeOf(fd: number): number {
  const SO_TYPE = 3;
  return readOption(fd, SO_TYPE);
}

/** Whether other sockets of this account may have the same address and port (SO_REUSEPORT). */
export function hasReuseport(fd: number): boolean {
  return readOption(fd, OPTION.REUSEPORT[1]) === 1;
}

/** An option that is an int; -1 if the descriptor is not a socket. */
function readOption(fd: number, name: number): number {
  scratch.view.setUint32(4, 4, true);
  const result = sys.getsockopt(fd, SOL_SOCKET, name, scratch.address, scratch.address + 4);
  return result < 0 ? -1 : scratch.view.getInt32(0, true);
}

/** struct sockaddr_in: family in host order, port and address in network order. */
export function writeSockaddr(view: DataView, at: number, address: number, port: number): void {
  view.setUint16(at, AF_INET, true);
  view.setUint16(at + 2, port);
  view.setUint32(at + 4, address);
}

/** The local address that the routes give to datagrams to a destination; undefined if there is no route. */
export function sourceAddressFor(destination: number): number | undefined {
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  try {
    writeSockaddr(scratch.view, 0, destination, 9);
    return sys.connect(fd, scratch.address, 16) < 0 ? undefined : localEndpoint(fd).address;
  } finally {
    sys.close(fd);
  }
}
