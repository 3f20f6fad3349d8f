import { endianness } from 'node:os';
import koffi from 'koffi';
import { SystemCallError } from './errors.ts';

/**
 * The C library's system calls. Pointers that are kept or computed are passed as numbers (`uintptr_t`): their memory belongs to a
 * {@link Memory}, which has to live as long as they are used.
 */
const libc = koffi.load(null); // the libraries of this process, whatever the file name of libc

if (koffi.sizeof('void *') !== 8 || endianness() !== 'LE') {
  throw new Error('teredo runs on 64-bit little-endian machines only');
}

export const sys = {
  open: libc.func('int open(const char*, int, ...)') as (path: string, flags: number) => number,
  close: libc.func('int close(int)') as (fd: number) => number,
  read: libc.func('intptr_t read(int, uintptr_t, size_t)') as (
    fd: number,
    to: number,
    size: number,
  ) => number,
  write: libc.func('intptr_t write(int, uintptr_t, size_t)') as (
    fd: number,
    from: number,
    size: number,
  ) => number,
  writev: libc.func('intptr_t writev(int, uintptr_t, int)') as (
    fd: number,
    pieces: number,
    count: number,
  ) => number,
  mmap: libc.func('intptr_t mmap(uintptr_t, size_t, int, int, int, intptr_t)') as (
    address: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => number,
  clockGettime: libc.func('int clock_gettime(int, uintptr_t)') as (clock: number, to: number) => number,
  exit: libc.func('void _exit(int)') as (status: number) => void,
  getpagesize: libc.func('int getpagesize()') as () => number,
  munmap: libc.func('int munmap(uintptr_t, size_t)') as (address: number, length: number) => number,
  syscall: libc.func('long syscall(long, long, long)') as (
    number: number,
    first: number,
    second: number,
  ) => number,
  ioctl: libc.func('int ioctl(int, unsigned long, uintptr_t)') as (
    fd: number,
    request: number,
    argument: number,
  ) => number,
  socket: libc.func('int socket(int, int, int)') as (
    domain: number,
    type: number,
    protocol: number,
  ) => number,
  bind: libc.func('int bind(int, uintptr_t, uint32_t)') as (
    fd: number,
    address: number,
    size: number,
  ) => number,
  connect: libc.func('int connect(int, uintptr_t, uint32_t)') as (
    fd: number,
    address: number,
    size: number,
  ) => number,
  listen: libc.func('int listen(int, int)') as (fd: number, backlog: number) => number,
  accept4: libc.func('int accept4(int, uintptr_t, uintptr_t, int)') as (
    fd: number,
    address: number,
    size: number,
    flags: number,
  ) => number,
  lsetxattr: libc.func('int lsetxattr(const char*, const char*, uintptr_t, size_t, int)') as (
    path: string,
    name: string,
    value: number,
    size: number,
    flags: number,
  ) => number,
  lremovexattr: libc.func('int lremovexattr(const char*, const char*)') as (
    path: string,
    name: string,
  ) => number,
  memfdCreate: libc.func('int memfd_create(const char*, uint32_t)') as (
    name: string,
    flags: number,
  ) => number,
  pipe2: libc.func('int pipe2(uintptr_t, int)') as (to: number, flags: number) => number,
  socketpair: libc.func('int socketpair(int, int, int, uintptr_t)') as (
    domain: number,
    type: number,
    protocol: number,
    to: number,
  ) => number,
  execvp: libc.func('int execvp(const char*, const char**)') as (
    file: string,
    words: readonly (string | null)[],
  ) => number,
  mount: libc.func('int mount(const char*, const char*, const char*, unsigned long, const char*)') as (
    source: string,
    target: string,
    type: string | null,
    flags: number,
    data: string | null,
  ) => number,
  dup2: libc.func('int dup2(int, int)') as (fd: number, to: number) => number,
  umount2: libc.func('int umount2(const char*, int)') as (target: string, flags: number) => number,
  prctl: libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)') as (
    option: number,
    first: number,
    second: number,
    third: number,
    fourth: number,
  ) => number,
  getpgrp: libc.func('int getpgrp(void)') as () => number,
  signal: libc.func('intptr_t signal(int, intptr_t)') as (signal: number, handler: number) => number,
  capset: libc.func('int capset(uintptr_t, uintptr_t)') as (header: number, data: number) => number,
  fcntl: libc.func('int fcntl(int, int, int)') as (fd: number, command: number, argument: number) => number,
  umask: libc.func('uint32_t umask(uint32_t)') as (mask: number) => number,
  getsockname: libc.func('int getsockname(int, uintptr_t, uintptr_t)') as (
    fd: number,
    address: number,
    size: number,
  ) => number,
  getpeername: libc.func('int getpeername(int, uintptr_t, uintptr_t)') as (
    fd: number,
    address: number,
    size: number,
  ) => number,
  setsockopt: libc.func('int setsockopt(int, int, int, uintptr_t, uint32_t)') as (
    fd: number,
    level: number,
    name: number,
    value: number,
    size: number,
  ) => number,
  getsockopt: libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as (
    fd: number,
    level: number,
    name: number,
    value: number,
    size: number,
  ) => number,
  sendto: libc.func('intptr_t sendto(int, uintptr_t, size_t, int, uintptr_t, uint32_t)') as (
    fd: number,
    from: number,
    size: number,
    flags: number,
    address: number,
    addressSize: number,
  ) => number,
  recvmmsg: libc.func('int recvmmsg(int, uintptr_t, uint32_t, int, uintptr_t)') as (
    fd: number,
    messages: number,
    count: number,
    flags: number,
    timeout: number,
  ) => number,
  poll: libc.func('int poll(uintptr_t, unsigned long, int)') as (
    descriptors: number,
    count: number,
    timeout: number,
  ) => number,
  epollCreate: libc.func('int epoll_create1(int)') as (flags: number) => number,
  epollCtl: libc.func('int epoll_ctl(int, int, int, uintptr_t)') as (
    epoll: number,
    operation: number,
    fd: number,
    event: number,
  ) => number,
  unshare: libc.func('int unshare(int)') as (flags: number) => number,
  sendmmsg: libc.func('int sendmmsg(int, uintptr_t, uint32_t, int)') as (
    fd: number,
    messages: number,
    count: number,
    flags: number,
  ) => number,
};

/** The main thread's event loop, libuv's, from outside. */
export interface EventLoop {
  /** The descriptor that is readable when the loop has something to do, timers aside. */
  readonly backend: number;
  /** Milliseconds until the loop has to run; -1: whenever the descriptor is readable. */
  timeout(): number;
}

/** Undefined in a process that does not show libuv's functions. */
export function uvLoop(): EventLoop | undefined {
  try {
    const loop = (libc.func('uintptr_t uv_default_loop(void)') as () => number)();
    const updateTime = libc.func('void uv_update_time(uintptr_t)') as (loop: number) => void;
    const timeout = libc.func('int uv_backend_timeout(uintptr_t)') as (loop: number) => number;
    const backend = (libc.func('int uv_backend_fd(uintptr_t)') as (loop: number) => number)(loop);
    return {
      backend,
      timeout: () => {
        updateTime(loop);
        return timeout(loop);
      },
    };
  } catch {
    return undefined; // no such function
  }
}

/** The error number of the latest system call. */
export function errno(): number {
  return koffi.errno();
}

/** For tests that play the kernel: the next result of {@link errno}. */
export function setErrno(number: number): void {
  koffi.errno(number);
}

/**
 * Memory whose address may be given to the kernel. Keep the object for as long as the kernel may use it. The latest small ones are kept
 * here, because the garbage collector may take a local object as soon as its address has been read.
 */
export class Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;

  /** Throws a SystemCallError if the system gives none. */
  constructor(size: number) {
    // Not from Node's pool: the address must not be shared or moved.
    this.bytes = new Uint8Array(allocate(size));
    this.view = new DataView(this.bytes.buffer);
    this.address = Number(koffi.address(this.bytes));
    if (size <= SMALL) latest[(made = (made + 1) % latest.length)] = this.bytes;
  }

  /** Writes a pointer at an offset. */
  setPointer(offset: number, address: number): void {
    this.view.setBigUint64(offset, BigInt(address), true);
  }
}

function allocate(size: number): ArrayBuffer {
  try {
    return new ArrayBuffer(size);
  } catch (error) {
    throw error instanceof RangeError ? new SystemCallError('malloc', E.ENOMEM) : error;
  }
}

const SMALL = 64 << 10;
/** The number of recent objects kept: more than one call uses. */
const latest: Uint8Array[] = Array.from({ length: 16 });
let made = 0;

/** Writes a pointer as two words at `at`, without making an object. */
export function writePointer(words: Uint32Array, at: number, address: number): void {
  const high = Math.floor(address / 2 ** 32);
  words[at] = address - high * 2 ** 32;
  words[at + 1] = high;
}

/** Linux error numbers (asm-generic) that the code distinguishes; for the others see `errorName`. */
export const E = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ERANGE: 34,
  EBADFD: 77,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  EHOSTUNREACH: 113,
} as const;

/** Whether this process's C library is glibc. */
export function isGlibc(): boolean {
  try {
    libc.func('const char *gnu_get_libc_version()');
    return true;
  } catch {
    return false; // no such function
  }
}
