import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { Listener } from './listener.ts';
import type { Peer } from './listener.ts';
import { SOCK_NONBLOCK, SOCK_STREAM, openSocket } from './socket.ts';

const AF_UNIX = 1;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** Octets of a path in struct sockaddr_un, without the final NUL. unix(7) */
const MOST_PATH = 107;

/** Static, because the kernel reads and writes it through its address. */
const name = new Memory(2 + MOST_PATH + 1);
const scratch = new Memory(16);

/** Another process at the other end of a connection. */
export interface UnixPeer extends Peer {
  /** Its process and user at the time of the connect, in this process's namespaces. SO_PEERCRED, unix(7) */
  readonly pid: number;
  readonly uid: number;
}

/** A listening Unix stream socket. */
export class UnixListener extends Listener<UnixPeer> {
  /** Binds to a new file that has these permissions from its first moment. Throws a SystemCallError, EADDRINUSE if the file exists. */
  constructor(path: string, mode: number) {
    const bytes = new TextEncoder().encode(path);
    if (bytes.length > MOST_PATH)
      throw new Error(`${path} is too long for a socket: ${MOST_PATH} octets at most`);
    super(openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK), withCredentials, (fd) => {
      name.bytes.fill(0);
      name.view.setUint16(0, AF_UNIX, true);
      name.bytes.set(bytes, 2);
      const before = sys.umask(0o777 & ~mode);
      const bound = sys.bind(fd, name.address, 2 + bytes.length + 1);
      const error = errno();
      sys.umask(before);
      if (bound < 0) throw new SystemCallError('bind', error);
    });
  }
}

/** struct ucred: pid, uid, gid. */
function withCredentials(fd: number): UnixPeer {
  scratch.view.setUint32(12, 12, true);
  if (sys.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, scratch.address, scratch.address + 12) < 0)
    return { fd, pid: 0, uid: -1 };
  return { fd, pid: scratch.view.getInt32(0, true), uid: scratch.view.getUint32(4, true) };
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
