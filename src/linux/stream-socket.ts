/** Octets of a stream socket that does not block. */
import { E, Memory, errno, sys } from './libc.ts';
import { OPTION, setOption } from './socket.ts';

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Static, because the kernel reads and writes it through its address. */
const incoming = new Memory(4_096);
const outgoing = new Memory(64 << 10);
/** SOL_SOCKET, SO_LINGER; struct linger: on, seconds. socket(7) */
const LINGER = [1, 13] as const;
const linger = new Memory(8);

/** The next octets from the peer, at most 4096: `none` if there are none now, `end` after the last ones or if the connection is broken. */
export function receiveFrom(fd: number): Uint8Array | 'none' | 'end' {
  const length = sys.read(fd, incoming.address, incoming.bytes.length);
  if (length > 0) return incoming.bytes.slice(0, length);
  return length < 0 && isPassing(errno()) ? 'none' : 'end';
}

/** The number of octets that the kernel accepted: 0 if it accepts none now, -1 if the connection is broken. */
export function sendTo(fd: number, bytes: Uint8Array): number {
  const length = Math.min(bytes.length, outgoing.bytes.length);
  outgoing.bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length));
  const sent = sys.sendto(fd, outgoing.address, length, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
  if (sent >= 0) return sent;
  return isPassing(errno()) ? 0 : -1;
}

/** The kernel keeps at most about so many octets until the peer, or the peer's host, takes them. */
export function limitSendBuffer(fd: number, octets: number): void {
  setOption(fd, OPTION.SNDBUF, octets / 2); // the kernel doubles it
}

export function closeConnection(fd: number): void {
  sys.close(fd);
}

/** Closes a connection at once: of TCP without the exchange of its end, for half of the work. Octets on their way are lost. */
export function abortConnection(fd: number): void {
  linger.view.setInt32(0, 1, true);
  linger.view.setInt32(4, 0, true);
  sys.setsockopt(fd, ...LINGER, linger.address, 8);
  sys.close(fd);
}

function isPassing(error: number): boolean {
  return error === E.EAGAIN || error === E.EINTR;
}
