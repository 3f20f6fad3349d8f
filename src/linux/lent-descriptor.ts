import { readFileSync, readlinkSync } from 'node:fs';
import { sys } from './libc.ts';
import { SOCK_DGRAM, SOCK_NONBLOCK, openSocket } from './socket.ts';

const AF_UNIX = 1;
const [F_SETFD, FD_CLOEXEC] = [2, 1];

/** A descriptor that a thread of this process has got, and has to close. Its number may be that of another file afterwards. */
export class LentDescriptor {
  private readonly fd: number;
  private file: string | undefined;

  constructor(fd: number) {
    this.fd = fd;
    this.file = fileAt(fd);
  }

  /** Once the thread has ended: closes the descriptor if the thread has left it open. */
  takeBack(): void {
    if (this.isOpen) sys.close(this.fd);
  }

  /**
   * While the thread hangs: its port or interface becomes free. The number stays that of a socket without an address, because the thread may use it
   * later. Nothing changes where the process may open no more files.
   */
  replace(): void {
    if (!this.isOpen) return;
    let standIn: number;
    try {
      standIn = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
    } catch {
      return;
    }
    sys.dup2(standIn, this.fd);
    sys.fcntl(this.fd, F_SETFD, FD_CLOEXEC);
    sys.close(standIn);
    this.file = fileAt(this.fd);
  }

  private get isOpen(): boolean {
    return this.file !== undefined && fileAt(this.fd) === this.file;
  }
}

/** A text that tells open files apart: a socket has a number, and a tunnel's queue the name of its interface. Undefined: nothing is open, or it is not known. */
function fileAt(fd: number): string | undefined {
  try {
    const file = readlinkSync(`/proc/self/fd/${fd}`);
    if (file.startsWith('socket:')) return file;
    return `${file} ${/^iff:.*$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[0]}`;
  } catch {
    return undefined;
  }
}
