import { markCongestion } from '../core/ecn.ts';
import { HEADROOM } from '../core/machine.ts';
import { countFailure } from '../linux/failures.ts';
import type { Failures } from '../linux/failures.ts';
import { Slab } from '../linux/slab.ts';
import { NOTHING, VNET } from '../linux/tun.ts';
import { Turn } from '../linux/turn.ts';
import { PacketSplitter } from './packet-splitter.ts';
import type { PacketBatch } from './ports.ts';
import { StandingQueue } from './standing-queue.ts';
import { survive } from './system-failures.ts';
import { LARGEST, WAITING_ROOM, WaitingPackets, copyPacket } from './waiting-packets.ts';

/** Packets in a batch. */
const BATCH = 64;
/** Reads in one turn of the event loop, before timers and other descriptors are served. */
const READS_A_TURN = 256;
/**
 * Super-packets of one turn, after which datagrams and single packets have their turn: so many octets, and none is begun after so many ms. A super-packet is
 * sent when the next one is begun, so a turn sends two at least where each takes long. The same octets take three times as long when the processor that sends
 * them also receives them, or another process interrupts.
 */
const OCTETS_A_TURN = 256 << 10;
const BULK_MS = 0.7;
/** The usual upper limit of a packet's size, head-room included. Larger packets, after a change of the MTU, fill a batch sooner. */
const USUAL = 1_408;
/** Size of the area for reads: a batch of usual packets, and room for a super-packet behind the last. */
const READS = BATCH * USUAL + HEADROOM + LARGEST;
/** Size of the area for segments: a batch of usual ones, or a single one of any size. */
const SEGMENTS = BATCH * USUAL + LARGEST;

/** Reads a virtio header and its packet to an address; the result is that of {@link TunDevice.read}. */
export type ReadPacket = (address: number, size: number) => number;

export interface ReadCounters {
  readPackets: number;
  readBytes: number;
  /** Packets and super-packets that had waited long, and were marked (ECN). */
  markedPackets: number;
  readonly readFailures: Failures;
}

/**
 * Takes packets from a TUN, and delivers them as they belong on a wire. Super-packets are bulk: they wait in the process, and a few are cut in each
 * turn of the event loop. All that is in the TUN is read before, and single packets go out first. So a ping or a word of a call does not wait
 * behind megabytes of a download, which a TUN would keep in one queue. The order within a flow is kept. Bulk that waits long is marked (ECN).
 */
export class TunReader {
  private readonly readPacket: ReadPacket;
  private readonly counters: ReadCounters;
  private readonly now: () => number;
  private readonly slab = new Slab(1, READS + SEGMENTS + WAITING_ROOM, 0);
  private readonly splitter = new PacketSplitter(this.slab.bytes);
  private readonly waiting = new WaitingPackets(this.slab.bytes, READS + SEGMENTS);
  private readonly standing = new StandingQueue();
  private readonly batch = {
    count: 0,
    buffer: this.slab.bytes,
    offsets: new Uint32Array(BATCH),
    lengths: new Uint32Array(BATCH),
  } satisfies PacketBatch;
  private onPackets: (batch: PacketBatch) => void = () => {};
  /** How far the two areas of the slab are filled. */
  private readEnd = 0;
  private segmentEnd = READS;
  /** The last packet read was a super-packet: the next one is probably one, too, and is read where it can wait. */
  private expectsBulk = false;
  private resuming: NodeJS.Immediate | undefined;
  private delivering = false;
  private readonly time = new Turn();
  private readonly bulkTime = new Turn(BULK_MS);
  private closed = false;

  /** `now`: a clock, in ms. */
  constructor(readPacket: ReadPacket, counters: ReadCounters, now = (): number => performance.now()) {
    this.readPacket = readPacket;
    this.counters = counters;
    this.now = now;
  }

  start(onPackets: (batch: PacketBatch) => void): void {
    this.onPackets = onPackets;
  }

  /** The TUN has packets. */
  turn(): void {
    this.readAll();
    this.deliver();
    this.readEnd = 0;
    if (this.resuming === undefined) this.cutSome();
  }

  /** Delivers the packets that wait, unless it is called while a batch is being delivered. */
  close(): void {
    if (this.closed) return;
    if (this.resuming !== undefined) clearImmediate(this.resuming);
    if (!this.delivering) this.cutSome(Infinity);
    this.closed = true;
    this.slab.release();
  }

  private readAll(): void {
    this.time.begin();
    for (let reads = 0; reads < READS_A_TURN && !this.closed && !this.waiting.isFull; reads++) {
      const packet = this.expectsBulk ? this.waiting.nextPlace : this.readEnd + HEADROOM;
      const header = packet - VNET.LENGTH;
      const length = this.readPacket(this.slab.memory.address + header, VNET.LENGTH + LARGEST) - VNET.LENGTH;
      if (length <= 0) {
        if (length + VNET.LENGTH < NOTHING) countFailure(this.counters.readFailures, -length - VNET.LENGTH);
        return;
      }
      if (this.slab.bytes[header + VNET.GSO_TYPE] !== VNET.GSO_NONE) this.keep(packet, length);
      else if (this.splitter.finish(header, packet, length) && this.take(packet, length) && this.time.isOver)
        return;
    }
  }

  /** A super-packet waits. */
  private keep(packet: number, length: number): void {
    if (!this.expectsBulk) copyPacket(this.slab.bytes, packet, this.waiting.nextPlace, length);
    this.waiting.add(length, this.now());
    this.expectsBulk = true;
  }

  /** A single packet is delivered with this turn's batch, unless packets of its flow wait. Returns whether the batch has gone. */
  private take(packet: number, length: number): boolean {
    if (!this.waiting.isEmpty && this.waiting.hasFlowOf(packet, length)) {
      this.keep(packet, length);
      return false;
    }
    const at = this.readEnd + HEADROOM;
    if (this.expectsBulk) copyPacket(this.slab.bytes, packet, at, length);
    this.expectsBulk = false;
    this.append(at, length);
    this.readEnd = align(at + length);
    if (this.batch.count < BATCH && this.readEnd <= BATCH * USUAL) return false;
    this.deliver();
    this.readEnd = 0;
    return true;
  }

  /** Cuts and delivers some of the packets that wait. The others follow after all other descriptors have had their turn. */
  private cutSome(most = OCTETS_A_TURN): void {
    this.resuming = undefined;
    const { waiting, bulkTime } = this;
    bulkTime.begin();
    for (let octets = 0; octets < most && !waiting.isEmpty && !this.closed;) {
      octets += waiting.firstLength;
      this.markFirst();
      this.cutFirst();
      waiting.removeFirst();
      if (most !== Infinity && bulkTime.isOver) break;
    }
    this.deliver();
    if (!waiting.isEmpty && !this.closed) this.resuming = setImmediate(() => survive(() => this.cutSome()));
  }

  private markFirst(): void {
    const now = this.now();
    if (!this.standing.isDue(now, now - this.waiting.firstAt)) return;
    if (markCongestion(this.slab.bytes, this.waiting.first)) this.counters.markedPackets++;
  }

  private cutFirst(): void {
    const { bytes } = this.slab;
    const { first, firstLength } = this.waiting;
    const header = first - VNET.LENGTH;
    if (bytes[header + VNET.GSO_TYPE] !== VNET.GSO_NONE) {
      if (this.splitter.begin(header, first, firstLength)) this.cut();
      return;
    }
    const to = this.roomFor(HEADROOM + firstLength);
    bytes.copyWithin(to, first, first + firstLength);
    this.appendSegment(to, firstLength);
  }

  private cut(): void {
    const { splitter, batch } = this;
    // All in one batch if possible, so that they leave together.
    if (batch.count + splitter.left > BATCH) this.deliver();
    const room = HEADROOM + splitter.largest;
    while (splitter.hasMore && !this.closed) {
      const to = this.roomFor(room);
      this.appendSegment(to, splitter.next(to));
    }
  }

  /** Where a segment can be written that takes so much room. */
  private roomFor(room: number): number {
    if (this.batch.count === BATCH || this.segmentEnd + room > READS + SEGMENTS) this.deliver();
    return this.segmentEnd + HEADROOM;
  }

  private appendSegment(at: number, length: number): void {
    this.append(at, length);
    this.segmentEnd = align(at + length);
  }

  private append(at: number, length: number): void {
    const { batch, counters } = this;
    batch.offsets[batch.count] = at;
    batch.lengths[batch.count++] = length;
    counters.readPackets++;
    counters.readBytes += length;
  }

  private deliver(): void {
    const { batch } = this;
    this.delivering = true;
    try {
      if (batch.count > 0 && !this.closed) this.onPackets(batch);
    } finally {
      this.delivering = false;
    }
    batch.count = 0;
    this.segmentEnd = READS;
  }
}

/** Rounds up: checksums are quickest on whole words. */
function align(at: number): number {
  return (at + 7) & ~7;
}
