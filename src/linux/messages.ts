import { Memory, writePointer } from './libc.ts';
import { AF_INET } from './socket.ts';

/** struct mmsghdr, struct iovec, struct sockaddr_in, and a struct cmsghdr with a value of up to 64 bits, on 64-bit Linux. */
const HEADER = 64;
const IOVEC = 16;
const SOCKADDR = 16;
const CONTROL = 24;
/** Size of a control message with a value of 16 bits, as it is sent. */
const CONTROL_LENGTH = 18;
/** Offset of its value. */
const CONTROL_VALUE = 16;
/** Room for the control messages of a datagram: the size of the datagrams in a run, and the TOS octet. */
const CONTROLS = 2 * CONTROL;
const SOL_IP = 0;
const IP_TOS = 1;
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
    this.memory = new Memory(this.controls + count * CONTROLS);
    this.words = new Uint32Array(this.memory.bytes.buffer);
    this.bytes = this.memory.bytes;
    for (let i = 0; i < count; i++) {
      this.memory.setPointer(i * HEADER, this.memory.address + this.names + i * SOCKADDR);
      this.memory.view.setUint32(i * HEADER + 8, SOCKADDR, true);
      this.memory.setPointer(i * HEADER + 16, this.memory.address + this.iovecs + i * IOVEC);
      this.memory.setPointer(i * HEADER + 24, 1);
      this.memory.view.setUint16(this.names + i * SOCKADDR, AF_INET, true);
      this.memory.view.setUint32(this.controls + i * CONTROLS, CONTROL_LENGTH, true);
      this.memory.view.setUint32(this.controls + i * CONTROLS + 8, SOL_UDP, true);
      this.memory.view.setUint32(this.controls + i * CONTROLS + 12, UDP_SEGMENT, true);
    }
  }

  /** Provides the buffer for control messages; call it before message `i` is received into. */
  makeRoomForControl(i: number): void {
    const at = (i * HEADER) >> 2;
    writePointer(this.words, at + 8, this.memory.address + this.controls + i * CONTROLS);
    this.words[at + 10] = CONTROLS;
  }

  /** The length of each datagram but the last that the kernel has merged into message `i`; 0 if it is a single one. */
  segmentSize(i: number): number {
    const at = this.findControl(i, SOL_UDP, UDP_GRO);
    return at === 0 ? 0 : this.words[at >> 2]!;
  }

  /** The TOS octet of the IPv4 packet of message `i`, or of its first datagram; 0 if the kernel did not report it. */
  tos(i: number): number {
    const at = this.findControl(i, SOL_IP, IP_TOS);
    return at === 0 ? 0 : this.bytes[at]!;
  }

  /** Offset of the value of such a control message of message `i`; 0: there is none. */
  private findControl(i: number, level: number, type: number): number {
    const { words } = this;
    const first = this.controls + i * CONTROLS;
    const end = first + words[(i * HEADER + 40) >> 2]!;
    for (let at = first; at + CONTROL_VALUE < end; at += CONTROL) {
      if (words[(at >> 2) + 2] === level && words[(at >> 2) + 3] === type) return at + CONTROL_VALUE;
    }
    return 0;
  }

  /** Address of message `i`'s header. */
  addressOf(i: number): number {
    return this.memory.address + i * HEADER;
  }

  /** Address of message `i`'s bytes. */
  setBytes(i: number, address: number, length: number): void {
    const at = (this.iovecs + i * IOVEC) >> 2;
    writePointer(this.words, at, address);
    this.words[at + 2] = length;
  }

  /**
   * Makes message `i` from the slots [first, first + slots). It leaves as datagrams of `segment` bytes each (the last may be shorter) to
   * the destination of the first slot.
   */
  setSlots(i: number, first: number, slots: number, segment: number): void {
    const at = (i * HEADER) >> 2;
    const control = this.controls + i * CONTROLS;
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

  /** Number of bytes received into message `i`. */
  length(i: number): number {
    return this.words[(i * HEADER + 56) >> 2]!;
  }
}
