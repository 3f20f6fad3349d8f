import { SystemCallError } from './errors.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { Poll } from './poll.ts';
import { SOCK_CLOEXEC, SOCK_NONBLOCK, openSocket } from './socket.ts';
import { noteSystemFailure, survive } from './system-failures.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Octets of a path in struct sockaddr_un, without the final NUL. unix(7) */
const MOST_PATH = 107;
/** The kernel lowers it to net.core.somaxconn. */
const BACKLOG = 4_096;
/** The time until the next attempt after a refusal by the system. */
const AGAIN_MS = 1_000;

/** Static, because the kernel reads and writes it through its address. */
const name = new Memory(2 + MOST_PATH + 1);
const scratch = new Memory(16);
const incoming = new Memory(4_096);
const outgoing = new Memory(64 << 10);

/** Another process at the other end of a connection. */
export interface UnixPeer {
  readonly fd: number;
  /** Its process and user at the time of the connect, in this process's namespaces. SO_PEERCRED, unix(7) */
  readonly pid: number;
  readonly uid: number;
}

/** `none`: no connection waits. `exhausted`: the process or the host has no free descriptor; the connection stays in the queue. */
export type Accepted = UnixPeer | 'none' | 'exhausted';

/** A listening Unix stream socket. */
export class UnixListener {
  private readonly fd: number;
  private poll: Poll | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;

  /** Binds to a new file that has these permissions from its first moment. Throws a SystemCallError, EADDRINUSE if the file exists. */
  constructor(path: string, mode: number) {
    const bytes = new TextEncoder().encode(path);
    if (bytes.length > MOST_PATH)
      throw new Error(`${path} is too long for a socket: ${MOST_PATH} octets at most`);
    this.fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
    try {
      name.bytes.fill(0);
      name.view.setUint16(0, AF_UNIX, true);
      name.bytes.set(bytes, 2);
      const before = sys.umask(0o777 & ~mode);
      const bound = sys.bind(this.fd, name.address, 2 + bytes.length + 1);
      const error = errno();
      sys.umask(before);
      if (bound < 0) throw new SystemCallError('bind', error);
      if (sys.listen(this.fd, BACKLOG) < 0) throw new SystemCallError('listen', errno());
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
  }

  accept(): Accepted {
    for (;;) {
      const fd = sys.accept4(this.fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) return withCredentials(fd);
      const error = errno();
      if (error === E.EINTR || error === E.ECONNABORTED) continue;
      if (error === E.EAGAIN) return 'none';
      noteSystemFailure(new SystemCallError('accept4', error));
      return 'exhausted';
    }
  }

  /** Calls back once when a connection waits to be accepted; later if the system refuses that now. */
  wait(onWaiting: () => void): void {
    this.stopWaiting();
    const isSet = survive(() => {
      this.poll = new Poll(this.fd, () => {
        this.stopWaiting();
        onWaiting();
      });
    });
    if (!isSet) this.again = setTimeout(() => this.wait(onWaiting), AGAIN_MS);
  }

  close(): void {
    this.stopWaiting();
    sys.close(this.fd);
  }

  private stopWaiting(): void {
    this.poll?.close();
    this.poll = undefined;
    clearTimeout(this.again);
  }
}

/** struct ucred: pid, uid, gid. */
function withCredentials(fd: number): UnixPeer {
  scratch.view.setUint32(12, 12, true);
  if (sys.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, scratch.address, scratch.address + 12) < 0)
    return { fd, pid: 0, uid: -1 };
  return { fd, pid: scratch.view.getInt32(0, true), uid: scratch.view.getUint32(4, true) };
}

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

export function closeConnection(fd: number): void {
  sys.close(fd);
}

function isPassing(error: number): boolean {
  return error === E.EAGAIN || error === E.EINTR;
}

const ACL = 'system.posix_acl_access';
/** Of an access control list: its version, and tags of entries. linux/posix_acl_xattr.h */
const ACL_VERSION = 2;
const TAG = { owner: 0x01, user: 0x02, group: 0x04, mask: 0x10, others: 0x20 } as const;
const READ_WRITE = 6;
const UNDEFINED_ID = 0xffffffff;
/** The most users that are refused at the same time. */
export const MOST_KEPT_OUT = 32;
const list = new Memory(4 + 8 * (MOST_KEPT_OUT + 4));

/**
 * Makes the kernel refuse these users' connections to a socket's file that is open to all others (EACCES), so that the process has no work
 * with them. False if the file system has no access control lists.
 */
export function keepOut(path: string, uids: readonly number[]): boolean {
  if (uids.length === 0) return sys.lremovexattr(path, ACL) === 0;
  const users = uids.slice(0, MOST_KEPT_OUT).sort((a, b) => a - b);
  const entries: (readonly [number, number, number])[] = [
    [TAG.owner, READ_WRITE, UNDEFINED_ID],
    ...users.map((uid) => [TAG.user, 0, uid] as const),
    ...[TAG.group, TAG.mask, TAG.others].map((tag) => [tag, READ_WRITE, UNDEFINED_ID] as const),
  ];
  list.view.setUint32(0, ACL_VERSION, true);
  for (const [i, [tag, permissions, id]] of entries.entries()) {
    list.view.setUint16(4 + 8 * i, tag, true);
    list.view.setUint16(6 + 8 * i, permissions, true);
    list.view.setUint32(8 + 8 * i, id, true);
  }
  return sys.lsetxattr(path, ACL, list.address, 4 + 8 * entries.length, 0) === 0;
}
