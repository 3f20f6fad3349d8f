import { Pending, lend } from './memory-lending.ts';
import type { PacketBatch, Tun } from './ports.ts';

/** A tunnel interface without a host. A test sends the host's packets, and reads the packets for the host. */
export class MemoryTun implements Tun {
  readonly name: string;
  readonly counters = {
    readPackets: 0,
    readBytes: 0,
    markedPackets: 0,
    writtenPackets: 0,
    writtenBytes: 0,
    readFailures: {},
    writeFailures: {} as Record<string, number>,
  };
  /** The packets delivered to the host, the oldest first. */
  readonly delivered: Uint8Array[] = [];
  /** Whether a kernel path takes this packet of the host. */
  carry: ((packet: Uint8Array) => boolean) | undefined;

  private readonly onClose: () => void;
  private waiting: { readonly bytes: Uint8Array }[] = [];
  private queue: Pending[] = [];
  private onPackets: ((batch: PacketBatch) => void) | undefined;
  private onLost: ((error: Error) => void) | undefined;
  private closed = false;

  constructor(name: string, onClose: () => void = () => {}) {
    this.name = name;
    this.onClose = onClose;
  }

  start(onPackets: (batch: PacketBatch) => void, onLost: (error: Error) => void): void {
    this.onPackets = onPackets;
    this.onLost = onLost;
    if (this.waiting.length > 0) setImmediate(() => this.deliver());
  }

  write(buffer: Uint8Array, offset: number, length: number): void {
    if (!this.closed) this.queue.push(new Pending(buffer, offset, length));
  }

  flush(): void {
    const queue = this.queue;
    this.queue = [];
    for (const pending of queue) this.handOver(pending.take());
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.queue = [];
    this.waiting = [];
    this.onClose();
  }

  /** The host sends this packet into the tunnel. */
  offer(packet: Uint8Array): void {
    if (this.closed || this.carry?.(packet) === true) return;
    this.waiting.push({ bytes: packet.slice() });
    if (this.waiting.length === 1 && this.onPackets !== undefined) setImmediate(() => this.deliver());
  }

  /** A kernel path delivers this packet to the host. */
  writeNow(packet: Uint8Array): void {
    if (!this.closed) this.delivered.push(packet.slice());
  }

  /** Another program removes the interface. */
  remove(): void {
    if (this.closed) return;
    this.close();
    this.onLost?.(new Error(`the interface ${this.name} was removed`));
  }

  private handOver(packet: Uint8Array): void {
    const { counters } = this;
    if (packet[0]! >> 4 !== 6) {
      counters.writeFailures['EINVAL'] = (counters.writeFailures['EINVAL'] ?? 0) + 1;
      return;
    }
    counters.writtenPackets++;
    counters.writtenBytes += packet.length;
    this.delivered.push(packet);
  }

  private deliver(): void {
    const waiting = this.waiting;
    this.waiting = [];
    lend(waiting, (batch) => {
      if (this.closed) return;
      this.counters.readPackets += batch.count;
      for (const length of batch.lengths) this.counters.readBytes += length;
      this.onPackets?.(batch);
    });
  }
}
