import { Memory, writePointer } from './libc.ts';
import { AF_INET } from './socket.ts';

/** struct mmsghdr, struct iovec, struct sockaddr_in, and a struct cmsghdr with its 16-bit value, on 64-bit Linux. */
const HEADER = 64;
const IOVEC = 16;
const SOCKADDR = 16;
const CONTROL = 24;
const CONTROL_LENGTH = 18;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/**
 * The arrays that recvmmsg and sendmmsg take, hand-laid: for each slot a message header, an iovec and an IPv4 address.
 * Pointers are written as two halves, so that filling in a message makes no objects.
 */
export class Messages {
  readonly count: number;
  private readonly memory: Memory;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly iovecs: number;
  private readonly names: number;
  private readonly controls: number;

  constructor(count: number) {
    this.count = count;
    this.iovecs = count * HEADER;
    this.names = this.iovecs + count * IOVEC;
    this.controls = this.names + count * SOCKADDR;
    this.memory = new Memory(this.controls + count * CONTROL);
    this.words = new Uint32Array(this.memory.bytes.buffer);
    this.bytes = this.memory.bytes;
    for (let i = 0; i < count; i++) {
      this.memory.setPointer(i * HEADER, this.memory.address + this.names + i * SOCKADDR);
      this.memory.view.setUint32(i * HEADER + 8, SOCKADDR, true);
      this.memory.setPointer(i * HEADER + 16, this.memory.address + this.iovecs + i * IOVEC);
      this.memory.setPointer(i * HEADER + 24, 1);
      this.memory.view.setUint16(this.names + i * SOCKADDR, AF_INET, true);
      this.memory.view.setUint32(this.controls + i * CONTROL, CONTROL_LENGTH, true);
      this.memory.view.setUint32(this.controls + i * CONTROL + 8, SOL_UDP, true);
      this.memory.view.setUint32(this.controls + i * CONTROL + 12, UDP_SEGMENT, true);
    }
  }

  /** Asks for the size of the datagrams of which message `i` is made, before it is received into. */
  askForSegmentSize(i: number): void {
    const at = (i * HEADER) >> 2;
    writePointer(this.words, at + 8, this.memory.address + this.controls + i * CONTROL);
    this.words[at + 10] = CONTROL;
  }

  /** The length of each but the last of the datagrams that the kernel has merged into message `i`; 0: it is one. */
  segmentSize(i: number): number {
    const control = (this.controls + i * CONTROL) >> 2;
    const { words } = this;
    if (words[(i * HEADER + 40) >> 2]! < CONTROL_LENGTH) return 0;
    return words[control + 2] === SOL_UDP && words[control + 3] === UDP_GRO ? words[control + 4]! : 0;
  }

  /** Address of message `i`'s header. */
  addressOf(i: number): number {
    return this.memory.address + i * HEADER;
  }

  /** Where message `i`'s bytes are. */
  setBytes(i: number, address: number, length: number): void {
    const at = (this.iovecs + i * IOVEC) >> 2;
    writePointer(this.words, at, address);
    this.words[at + 2] = length;
  }

  /**
   * Makes message `i` of the slots [first, first + slots), which then leave as datagrams of `segment` bytes each (the last may be
   * shorter) to the destination of the first.
   */
  setSlots(i: number, first: number, slots: number, segment: number): void {
    const at = (i * HEADER) >> 2;
    const control = this.controls + i * CONTROL;
    writePointer(this.words, at, this.memory.address + this.names + first * SOCKADDR);
    writePointer(this.words, at + 4, this.memory.address + this.iovecs + first * IOVEC);
    this.words[at + 6] = slots;
    if (slots > 1) {
      writePointer(this.words, at + 8, this.memory.address + control);
      this.words[at + 10] = CONTROL;
      this.words[(control + 16) >> 2] = segment;
    } else {
      this.words[at + 10] = 0;
    }
  }

  setDestination(i: number, address: number, port: number): void {
    const at = this.names + i * SOCKADDR;
    const { bytes } = this;
    bytes[at + 2] = port >>> 8;
    bytes[at + 3] = port;
    bytes[at + 4] = address >>> 24;
    bytes[at + 5] = address >>> 16;
    bytes[at + 6] = address >>> 8;
    bytes[at + 7] = address;
  }

  sourceAddress(i: number): number {
    const at = this.names + i * SOCKADDR + 4;
    const { bytes } = this;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  sourcePort(i: number): number {
    const at = this.names + i * SOCKADDR + 2;
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  /** Bytes received into message `i`. */
  length(i: number): number {
    return this.words[(i * HEADER + 56) >> 2]!;
  }
}
