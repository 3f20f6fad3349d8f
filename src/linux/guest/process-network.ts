import { fstatSync, statSync } from 'node:fs';
import { SystemCallError } from '../errors.ts';
import { Memory, errno, sys } from '../libc.ts';

/** Its number is the same on all processors. Older C libraries have no function for it. */
const PIDFD_OPEN = 434;
const O_RDONLY_CLOEXEC = 0o2000000;
/** ioctl_ns(2) */
const [NS_GET_USERNS, NS_GET_OWNER_UID] = [0xb701, 0xb704];

/** The network namespace of a process. Descriptors keep it: the number of the process may come to be another one's. */
export class ProcessNetwork {
  /** Readable once the process has ended. */
  readonly process: number;
  readonly network: number;
  /** The user namespace with the rights over the network; undefined when this process may not know it. */
  readonly owner: number | undefined;

  /** Throws a SystemCallError: of `pidfd_open` when there is no such process, of `open` when its namespaces are not for this process. */
  constructor(pid: number) {
    this.process = sys.syscall(PIDFD_OPEN, pid, 0);
    if (this.process < 0) throw new SystemCallError('pidfd_open', errno());
    try {
      this.network = openNamespace(`/proc/${pid}/ns/net`);
    } catch (error) {
      sys.close(this.process);
      throw error;
    }
    const owner = sys.ioctl(this.network, NS_GET_USERNS, 0);
    this.owner = owner < 0 ? undefined : owner;
  }

  /** It is the network of this process. */
  get isOwn(): boolean {
    return isSame(this.network, '/proc/self/ns/net');
  }

  /** The rights over the network are in the user namespace of this process. */
  get isOfOwnUsers(): boolean {
    return this.owner !== undefined && isSame(this.owner, '/proc/self/ns/user');
  }

  /** The user that has made the user namespace. */
  get ownerId(): number | undefined {
    const id = new Memory(4);
    if (this.owner === undefined || sys.ioctl(this.owner, NS_GET_OWNER_UID, id.address) < 0) return undefined;
    return id.view.getUint32(0, true);
  }

  close(): void {
    for (const fd of [this.process, this.network, this.owner]) if (fd !== undefined) sys.close(fd);
  }
}

function openNamespace(path: string): number {
  const fd = sys.open(path, O_RDONLY_CLOEXEC);
  if (fd < 0) throw new SystemCallError('open', errno());
  return fd;
}

function isSame(fd: number, path: string): boolean {
  const [one, other] = [fstatSync(fd), statSync(path)];
  return one.ino === other.ino && one.dev === other.dev;
}
