import { SystemCallError } from '../errors.ts';
import { Memory, errno, sys } from '../libc.ts';
import { SOCK_CLOEXEC, socketTypeOf } from '../socket.ts';

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const [SOL_SOCKET, SO_PASSCRED] = [1, 16];
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
/** The descriptors of a message are closed at `exec`. */
const MSG_CMSG_CLOEXEC = 0x4000_0000;
/** struct mmsghdr and struct iovec. */
const [HEADER, IOVEC] = [64, 16];
/** struct cmsghdr. */
const CONTROL_HEADER = 16;
const LONGEST = 4_096;
/** Room for the credentials and 253 descriptors, which the kernel allows: SCM_MAX_FD. */
const CONTROL = 1_088;

/** A message of the other end. */
export interface Message {
  readonly text: string;
  readonly descriptors: readonly number[];
  /** The sender's process, in the numbers of this process; 0 when it is not visible here. */
  readonly pid: number;
}

/** Both ends of a new channel: its messages keep their borders, and may have descriptors. Throws a SystemCallError. */
export function makeChannel(): readonly [number, number] {
  const ends = new Memory(8);
  if (sys.socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.address) < 0)
    throw new SystemCallError('socketpair', errno());
  return [ends.view.getInt32(0, true), ends.view.getInt32(4, true)];
}

/** Whether this descriptor is an end of a channel. */
export function isChannel(fd: number): boolean {
  return socketTypeOf(fd) === SOCK_SEQPACKET;
}

/** Has the kernel name the sender of each message that comes to this end. */
export function askForSender(fd: number): void {
  const one = new Memory(4);
  one.view.setInt32(0, 1, true);
  sys.setsockopt(fd, SOL_SOCKET, SO_PASSCRED, one.address, 4);
}

/** Throws a SystemCallError. */
export function sendMessage(fd: number, text: string, descriptors: readonly number[] = []): void {
  const octets = new TextEncoder().encode(text);
  const message = new MessageMemory();
  message.data.bytes.set(octets);
  message.header.setPointer(HEADER + 8, octets.length);
  if (descriptors.length > 0) {
    const { view } = message.control;
    const length = CONTROL_HEADER + 4 * descriptors.length;
    message.control.setPointer(0, length);
    view.setInt32(8, SOL_SOCKET, true);
    view.setInt32(12, SCM_RIGHTS, true);
    for (const [i, descriptor] of descriptors.entries())
      view.setInt32(CONTROL_HEADER + 4 * i, descriptor, true);
    message.header.setPointer(32, message.control.address);
    message.header.setPointer(40, align(length));
  }
  if (sys.sendmmsg(fd, message.header.address, 1, 0) < 1) throw new SystemCallError('sendmsg', errno());
}

/** Waits for a message; undefined when the other end is closed. Throws a SystemCallError. */
export function receiveMessage(fd: number): Message | undefined {
  const message = new MessageMemory();
  message.header.setPointer(HEADER + 8, LONGEST);
  message.header.setPointer(32, message.control.address);
  message.header.setPointer(40, CONTROL);
  if (sys.recvmmsg(fd, message.header.address, 1, MSG_CMSG_CLOEXEC, 0) < 1)
    throw new SystemCallError('recvmsg', errno());
  const length = message.header.view.getUint32(56, true);
  const text = new TextDecoder().decode(message.data.bytes.subarray(0, length));
  const found = { text, descriptors: [] as number[], pid: 0 };
  const end = message.header.view.getUint32(40, true);
  const { view } = message.control;
  for (
    let at = 0;
    at + CONTROL_HEADER <= end;
    at += align(Math.max(CONTROL_HEADER, view.getUint32(at, true)))
  ) {
    const [size, kind] = [view.getUint32(at, true), view.getInt32(at + 12, true)];
    if (view.getInt32(at + 8, true) !== SOL_SOCKET) continue;
    if (kind === SCM_CREDENTIALS) found.pid = view.getInt32(at + CONTROL_HEADER, true);
    if (kind !== SCM_RIGHTS) continue;
    for (let one = at + CONTROL_HEADER; one + 4 <= at + size; one += 4)
      found.descriptors.push(view.getInt32(one, true));
  }
  return length === 0 && found.descriptors.length === 0 ? undefined : found;
}

/** A struct mmsghdr with its parts. */
class MessageMemory {
  readonly header = new Memory(HEADER + IOVEC);
  readonly data = new Memory(LONGEST);
  readonly control = new Memory(CONTROL);

  constructor() {
    this.header.bytes.fill(0);
    this.control.bytes.fill(0);
    this.header.setPointer(16, this.header.address + HEADER);
    this.header.setPointer(24, 1);
    this.header.setPointer(HEADER, this.data.address);
  }
}

function align(length: number): number {
  return (length + 7) & ~7;
}
