import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { SOCK_NONBLOCK, SOCK_RAW, openSocket } from './socket.ts';
import type { OpenSocket } from './socket.ts';

export const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
/** Questions about sockets. sock_diag(7) */
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_XFRM = 6;
export const NETLINK_NETFILTER = 12;
const SOL_NETLINK = 270;
const NETLINK_GET_STRICT_CHK = 12;
const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
/** Flags of a change: refuse if it exists; create if it does not. */
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_DUMP = 0x300;
/** Flag in an answer: the list has changed meanwhile. */
const NLM_F_DUMP_INTR = 0x10;
/** Request for routes of either family; the body is a struct rtmsg. */
export const RTM_GETROUTE = 26;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** struct nlmsghdr. */
const HEADER = 16;
const BUFFER = 32_768;

/** Takes the content of a message, from `at` to `end`: a fixed body, then attributes. False: no more messages are wanted. */
export type TakeMessage = (view: DataView, at: number, end: number) => unknown;

/** Asks the kernel about its links, routes and filters, and changes them. The kernel answers during the call, so nothing waits. */
export class NetlinkQuery {
  private readonly fd: number;
  private readonly memory = new Memory(BUFFER);
  private sequence = 0;
  private end = 0;
  private closed = false;
  private errorNumber = 0;

  /** Throws a SystemCallError: EPROTONOSUPPORT if the kernel does not have the protocol. */
  constructor(protocol = NETLINK_ROUTE, open: OpenSocket = openSocket) {
    this.fd = open(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, protocol);
  }

  /** The error number with which the kernel refused the latest request; 0 if it did not. */
  get refusal(): number {
    return this.errorNumber;
  }

  /** Makes the kernel list only matches of a request; by default it lists all. */
  beStrict(): void {
    this.memory.view.setInt32(0, 1, true);
    const { address } = this.memory;
    if (sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, address, 4) < 0)
      throw new SystemCallError('NETLINK_GET_STRICT_CHK', errno());
  }

  /** Begins a request with a body of `size` octets, all zero; `write` fills them in. */
  begin(kind: number, size: number, write: (view: DataView, at: number) => void): this {
    const { bytes, view } = this.memory;
    this.end = HEADER + size;
    bytes.fill(0, 0, this.end);
    view.setUint16(4, kind, true);
    write(view, HEADER);
    return this;
  }

  /** Adds an attribute of 1, 2 or 4 octets; numbers are in network order unless they are an index. */
  add(type: number, size: 1 | 2 | 4, value: number, littleEndian = false): this {
    const { view } = this.memory;
    view.setUint16(this.end, 4 + size, true);
    view.setUint16(this.end + 2, type, true);
    view.setUint32(this.end + 4, 0);
    if (size === 1) view.setUint8(this.end + 4, value);
    else if (size === 2) view.setUint16(this.end + 4, value, littleEndian);
    else view.setUint32(this.end + 4, value, littleEndian);
    this.end += 8;
    return this;
  }

  /** Adds an attribute of octets. */
  addOctets(type: number, octets: Uint8Array): this {
    const { bytes, view } = this.memory;
    const next = this.end + 4 + align(octets.length);
    bytes.fill(0, this.end, next);
    view.setUint16(this.end, 4 + octets.length, true);
    view.setUint16(this.end + 2, type, true);
    bytes.set(octets, this.end + 4);
    this.end = next;
    return this;
  }

  /** Sends a request to change something, `new` or already `there`; false if the kernel refuses. */
  change(object: 'new' | 'there' = 'there'): boolean {
    this.send(NLM_F_REQUEST | NLM_F_ACK | (object === 'new' ? NLM_F_CREATE | NLM_F_EXCL : 0));
    this.receive(() => undefined); // an acknowledgement is an error of number 0
    return this.errorNumber === 0;
  }

  /** Sends the request; false if the kernel refuses, or has no answer. */
  ask(take: TakeMessage): boolean {
    this.send(NLM_F_REQUEST);
    return this.receive(take) === 'answer';
  }

  /** Sends the request for a list; false if the kernel or `take` refuses, or if the list has changed meanwhile. */
  list(take: TakeMessage): boolean {
    this.send(NLM_F_REQUEST | NLM_F_DUMP);
    for (;;) {
      const kind = this.receive(take);
      if (kind !== 'answer') return kind === 'end';
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.fd);
  }

  private send(flags: number): void {
    const { view, address } = this.memory;
    this.errorNumber = 0;
    view.setUint32(0, this.end, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, ++this.sequence, true);
    if (sys.write(this.fd, address, this.end) < 0) throw new SystemCallError('write', errno());
  }

  /** One read: messages that answer the request, the end of a list, or an error. */
  private receive(take: TakeMessage): 'answer' | 'end' | 'refused' {
    const { view, address } = this.memory;
    let answered = false;
    while (!answered) {
      const length = sys.read(this.fd, address, BUFFER);
      if (length < 0) {
        this.errorNumber = errno();
        return 'refused';
      }
      for (let at = 0; at + HEADER <= length; at += align(Math.max(HEADER, view.getUint32(at, true)))) {
        if (view.getUint32(at + 8, true) !== this.sequence) continue; // for an abandoned request
        answered = true;
        const type = view.getUint16(at + 4, true);
        if (type === NLMSG_ERROR) this.errorNumber = -view.getInt32(at + HEADER, true);
        if (type === NLMSG_ERROR || (view.getUint16(at + 6, true) & NLM_F_DUMP_INTR) !== 0) return 'refused';
        if (type === NLMSG_DONE) return 'end';
        if (take(view, at + HEADER, at + view.getUint32(at, true)) === false) return 'refused';
      }
    }
    return 'answer';
  }
}

/** Calls back with each attribute between two offsets of a message: its type, and the start and end of its value. */
export function forEachAttribute(
  view: DataView,
  from: number,
  end: number,
  see: (type: number, value: number, valueEnd: number) => void,
): void {
  const TYPE = 0x3fff; // without the flags
  for (let at = from; at + 4 <= end;) {
    const length = Math.max(4, view.getUint16(at, true));
    see(view.getUint16(at + 2, true) & TYPE, at + 4, at + length);
    at += align(length);
  }
}

/** The text of an attribute, with or without a final zero. */
export function textIn(view: DataView, from: number, end: number): string {
  const bytes = new Uint8Array(view.buffer, from, Math.max(0, end - from));
  const zero = bytes.indexOf(0);
  return new TextDecoder().decode(zero < 0 ? bytes : bytes.subarray(0, zero));
}

/** Rounds up to the alignment of messages and attributes, 4 octets. */
export function align(length: number): number {
  return (length + 3) & ~3;
}
