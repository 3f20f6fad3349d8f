import { countFailure } from './failures.ts';
import type { Failures } from './failures.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { Messages } from './messages.ts';
import { Slab, addressOfSlab } from './slab.ts';

/** Room for what is copied: all that is not lent fits in here, but for the rarest. */
const COPY_SIZE = 2_048;
/** The largest UDP payload over IPv4, and so the most that the kernel cuts into datagrams at once. */
const MAX_DATAGRAM = 65_507;
/**
 * Datagrams of at least this size are handed over in runs. Runs of 1280 bytes cost 0.6 us each instead of 1.4; smaller ones,
 * such as the protocol's own, seldom come in runs, and a capture on a virtual wire shows them one by one.
 */
const MIN_SEGMENT = 512;

/** What the host says where its own rules or routes do not let a datagram out; EINVAL: one of type blackhole. */
const REFUSALS: readonly number[] = [E.EPERM, E.EACCES, E.EINVAL, E.ENETDOWN, E.ENETUNREACH, E.EHOSTUNREACH];

/** Is shown a datagram `buffer[offset, offset + length)` that the host has refused to send; it is valid inside the call. */
export type RefusalHandler = (buffer: Uint8Array, offset: number, length: number) => void;

export interface SendCounters {
  sentDatagrams: number;
  sentBytes: number;
  readonly sendFailures: Failures;
}

/**
 * Datagrams on their way out of a socket: collected, then sent with one system call. Runs of equal length to one destination
 * go as one message that the kernel cuts again (UDP_SEGMENT), as late as it can.
 */
export class SendQueue {
  /** Called from inside a flush. */
  onRefused: RefusalHandler | undefined;
  private readonly fd: number;
  private readonly counters: SendCounters;
  private readonly capacity: number;
  private readonly messages: Messages;
  private readonly copies: Slab;
  /** Copies too large for a slot; kept until the flush. */
  private large: Memory[] = [];
  /** Where the bytes of each slot are. */
  private readonly buffers: Uint8Array[] = [];
  private readonly offsets: Uint32Array;
  private readonly lengths: Uint32Array;
  private readonly addresses: Uint32Array;
  private readonly ports: Uint16Array;
  /** How many slots each laid-out message is made of. */
  private readonly spans: Uint32Array;
  private queued = 0;

  constructor(fd: number, capacity: number, counters: SendCounters) {
    this.fd = fd;
    this.counters = counters;
    this.capacity = capacity;
    this.messages = new Messages(capacity);
    this.copies = new Slab(capacity, COPY_SIZE, 0);
    this.offsets = new Uint32Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.addresses = new Uint32Array(capacity);
    this.ports = new Uint16Array(capacity);
    this.spans = new Uint32Array(capacity);
  }

  /** Bytes of a slab are sent from where they are, others are copied. */
  add(buffer: Uint8Array, offset: number, length: number, address: number, port: number): void {
    if (this.queued === this.capacity) this.flush();
    const slot = this.queued++;
    const lent = addressOfSlab(buffer);
    let from: number;
    if (lent === undefined) from = this.copy(slot, buffer, offset, length);
    else {
      from = lent + offset;
      this.buffers[slot] = buffer;
      this.offsets[slot] = offset;
    }
    this.messages.setBytes(slot, from, length);
    this.messages.setDestination(slot, address, port);
    this.lengths[slot] = length;
    this.addresses[slot] = address;
    this.ports[slot] = port;
  }

  flush(): void {
    let inRuns = true;
    for (let slot = 0; slot < this.queued;) {
      const laidOut = this.layOut(slot, inRuns);
      const sent = sys.sendmmsg(this.fd, this.messages.addressOf(0), laidOut, 0);
      if (sent > 0) {
        slot = this.countSent(slot, sent);
        continue;
      }
      const error = errno();
      if (error === E.EINTR) continue;
      if (error === E.EAGAIN) {
        // The interface is busy, and waiting would stop everything else: what is left is lost, as in any full queue.
        countFailure(this.counters.sendFailures, error, this.queued - slot);
        break;
      }
      if (this.spans[0]! > 1) {
        // Not in runs on this interface (too small an MTU, no checksums of its own), or not at all: see one by one.
        inRuns = false;
      } else {
        countFailure(this.counters.sendFailures, error);
        if (REFUSALS.includes(error))
          this.onRefused?.(this.buffers[slot]!, this.offsets[slot]!, this.lengths[slot]!);
        slot++; // the first was refused; the others may go
      }
    }
    this.queued = 0;
    if (this.large.length > 0) this.large = [];
  }

  release(): void {
    this.copies.release();
  }

  /** Lays out messages for the slots from `first` on; how many. */
  private layOut(first: number, inRuns: boolean): number {
    let message = 0;
    for (let slot = first; slot < this.queued;) {
      const span = inRuns ? this.runAt(slot) : 1;
      this.messages.setSlots(message, slot, span, this.lengths[slot]!);
      this.spans[message++] = span;
      slot += span;
    }
    return message;
  }

  /** How many slots from `slot` on the kernel may take as one. */
  private runAt(slot: number): number {
    const { lengths, addresses, ports } = this;
    const length = lengths[slot]!;
    if (length < MIN_SEGMENT) return 1;
    const end = Math.min(this.queued, slot + Math.floor(MAX_DATAGRAM / length));
    let next = slot + 1;
    while (next < end && addresses[next] === addresses[slot] && ports[next] === ports[slot]) {
      if (lengths[next]! > length || lengths[next] === 0) break; // no run has room for an empty one
      if (lengths[next++]! < length) break; // only the last may be shorter
    }
    return next - slot;
  }

  /** The slot after those of the first `messages` messages. */
  private countSent(slot: number, messages: number): number {
    for (let message = 0; message < messages; message++) {
      for (let left = this.spans[message]!; left > 0; left--) {
        this.counters.sentDatagrams++;
        this.counters.sentBytes += this.lengths[slot++]!;
      }
    }
    return slot;
  }

  private copy(slot: number, buffer: Uint8Array, offset: number, length: number): number {
    if (length <= COPY_SIZE) {
      const { bytes, memory } = this.copies;
      let start = this.copies.start(slot);
      if (buffer.length <= COPY_SIZE) {
        bytes.set(buffer, start); // all of it: to make a view of a part takes longer
        start += offset;
      } else bytes.set(buffer.subarray(offset, offset + length), start);
      this.buffers[slot] = bytes;
      this.offsets[slot] = start;
      return memory.address + start;
    }
    const memory = new Memory(length);
    memory.bytes.set(buffer.subarray(offset, offset + length));
    this.large.push(memory);
    this.buffers[slot] = memory.bytes;
    this.offsets[slot] = 0;
    return memory.address;
  }
}
