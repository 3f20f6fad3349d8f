import { HEADROOM } from '../core/machine.ts';
import { countFailure } from '../linux/failures.ts';
import type { Failures } from '../linux/failures.ts';
import type { Gather } from '../linux/gather.ts';
import { Slab, addressOfSlab } from '../linux/slab.ts';
import { NOTHING, TunDevice, VNET } from '../linux/tun.ts';
import { PacketMerger } from './packet-merger.ts';
import { PacketSplitter } from './packet-splitter.ts';
import type { PacketBatch, Tun } from './ports.ts';

/** Packets in a batch. */
const BATCH = 64;
/** Reads in one turn of the event loop, before timers and other descriptors are served. */
const READS_A_TURN = 256;
const LARGEST = 65_536;
/** The usual upper limit of a packet's size, head-room included. Larger packets, after a change of the MTU, fill a batch sooner. */
const USUAL = 1_408;
/** Size of the area for reads: a batch of usual packets, and room for a super-packet behind the last. */
const READS = BATCH * USUAL + HEADROOM + LARGEST;
/** Size of the area for segments: a batch of usual ones, or a single one of any size. */
const SEGMENTS = BATCH * USUAL + LARGEST;

/** A TUN interface of the kernel. Packets cross between process and kernel in super-packets if possible. */
export class KernelTun implements Tun {
  readonly name: string;
  readonly counters = {
    readPackets: 0,
    readBytes: 0,
    writtenPackets: 0,
    writtenBytes: 0,
    readFailures: {} as Failures,
    writeFailures: {} as Failures,
  };

  private readonly device: TunDevice;
  private readonly slab = new Slab(1, READS + SEGMENTS, 0);
  private readonly copy = new Slab(1, LARGEST, 0);
  private readonly splitter = new PacketSplitter(this.slab.bytes);
  private readonly merger: PacketMerger;
  private readonly batch = {
    count: 0,
    buffer: this.slab.bytes,
    offsets: new Uint32Array(BATCH),
    lengths: new Uint32Array(BATCH),
  } satisfies PacketBatch;
  /** How far the two areas of the slab are filled. */
  private readEnd = 0;
  private segmentEnd = READS;
  private closed = false;

  /**
   * `kept`: the descriptor of the open interface, to be taken over; `device`: see {@link TunDevice}. Throws a SystemCallError: of `open` if there is
   * no /dev/net/tun, of `TUNSETIFF` if the name cannot be used.
   */
  constructor(name: string, kept?: number, device?: number) {
    this.device = new TunDevice(name, kept, device);
    this.name = this.device.name;
    this.merger = new PacketMerger(this.device.takesUdpSegments, (pieces, segments) =>
      this.writePieces(pieces, segments),
    );
  }

  get fd(): number {
    return this.device.fd;
  }

  start(onPackets: (batch: PacketBatch) => void, onLost: (error: Error) => void): void {
    this.device.start(
      () => this.readTurn(onPackets),
      () => {
        this.close();
        onLost(new Error(`the interface ${this.name} was removed`));
      },
    );
  }

  write(buffer: Uint8Array, offset: number, length: number): void {
    if (this.closed) return;
    if (addressOfSlab(buffer) !== undefined) {
      this.merger.add(buffer, offset, length);
    } else {
      this.copy.bytes.set(buffer.subarray(offset, offset + length));
      this.merger.addAlone(this.copy.bytes, 0, length);
    }
  }

  flush(): void {
    if (!this.closed) this.merger.flush();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.device.close();
    this.slab.release();
    this.copy.release();
  }

  private readTurn(onPackets: (batch: PacketBatch) => void): void {
    for (let reads = 0; reads < READS_A_TURN && !this.closed; reads++) {
      const packet = this.readEnd + HEADROOM;
      const header = packet - VNET.LENGTH;
      const length = this.device.read(this.slab.memory.address + header, VNET.LENGTH + LARGEST) - VNET.LENGTH;
      if (length <= 0) {
        this.deliver(onPackets);
        if (length + VNET.LENGTH < NOTHING) countFailure(this.counters.readFailures, -length - VNET.LENGTH);
        return;
      }
      if (this.slab.bytes[header + VNET.GSO_TYPE] === VNET.GSO_NONE) {
        if (!this.splitter.finish(header, packet, length)) continue;
        this.append(packet, length);
        this.readEnd = align(packet + length);
        if (this.batch.count === BATCH || this.readEnd > BATCH * USUAL) this.deliver(onPackets);
      } else if (this.splitter.begin(header, packet, length)) {
        this.splitAll(onPackets);
      }
    }
    this.deliver(onPackets);
  }

  private splitAll(onPackets: (batch: PacketBatch) => void): void {
    const { splitter, batch } = this;
    // All in one batch if possible, so that they leave together.
    if (batch.count + splitter.left > BATCH) this.deliverRead(onPackets);
    const room = HEADROOM + splitter.largest;
    while (splitter.hasMore && !this.closed) {
      if (batch.count === BATCH || this.segmentEnd + room > READS + SEGMENTS) this.deliverRead(onPackets);
      const to = this.segmentEnd + HEADROOM;
      const length = splitter.next(to);
      this.append(to, length);
      this.segmentEnd = align(to + length);
    }
  }

  private append(at: number, length: number): void {
    const { batch, counters } = this;
    batch.offsets[batch.count] = at;
    batch.lengths[batch.count++] = length;
    counters.readPackets++;
    counters.readBytes += length;
  }

  private deliver(onPackets: (batch: PacketBatch) => void): void {
    this.deliverRead(onPackets);
    this.readEnd = 0;
  }

  /** Delivers the batch while the super-packet still lies where it was read. */
  private deliverRead(onPackets: (batch: PacketBatch) => void): void {
    const { batch } = this;
    if (batch.count > 0 && !this.closed) onPackets(batch);
    batch.count = 0;
    this.segmentEnd = READS;
  }

  private writePieces(pieces: Gather, segments: number): void {
    const { counters } = this;
    const error = this.device.write(pieces);
    if (error === 0) {
      counters.writtenPackets += segments;
      counters.writtenBytes += pieces.length - VNET.LENGTH;
    } else {
      countFailure(counters.writeFailures, error, segments);
    }
  }
}

/** Rounds up: checksums are quickest on whole words. */
function align(at: number): number {
  return (at + 7) & ~7;
}
