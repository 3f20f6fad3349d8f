import { REPORT } from '../linux/bpf/layout.ts';
import type { Carried } from '../linux/bpf/peer-map.ts';
import type { CarriedBatch } from './ports.ts';

/** Reports a batch. */
const MOST = 256;
const ADDRESS = 16;

/** Collects what the kernel says it has carried, in the Clock's time, and hands it over in batches. */
export class CarriedReports {
  private readonly toClock: (ns: number) => number;
  private readonly handOver: (batch: CarriedBatch) => void;
  private batch = makeBatch();
  /** Those that are full and wait for the next {@link flush}; as many as peers are taken out at once make. */
  private full: CarriedBatch[] = [];

  /** `toClock` turns ns of CLOCK_MONOTONIC into ms of the Clock. */
  constructor(toClock: (ns: number) => number, handOver: (batch: CarriedBatch) => void) {
    this.toClock = toClock;
    this.handOver = handOver;
  }

  /** The report at an offset of the ring. */
  addRecord(view: DataView, offset: number): void {
    const { batch } = this;
    const at = batch.count;
    for (let i = 0; i < ADDRESS; i++)
      batch.buffer[at * ADDRESS + i] = view.getUint8(offset + REPORT.peer + i);
    batch.receivedPackets[at] = view.getUint32(offset + REPORT.receivedPackets, true);
    batch.receivedBytes[at] = Number(view.getBigUint64(offset + REPORT.receivedBytes, true));
    batch.sentPackets[at] = view.getUint32(offset + REPORT.sentPackets, true);
    batch.sentBytes[at] = Number(view.getBigUint64(offset + REPORT.sentBytes, true));
    const received = Number(view.getBigUint64(offset + REPORT.lastReceived, true));
    const sent = Number(view.getBigUint64(offset + REPORT.lastSent, true));
    this.finish(received, sent);
  }

  /** What an entry held that has been taken out. */
  addTaken(peer: Uint8Array, offset: number, carried: Carried): void {
    if (carried.receivedPackets === 0 && carried.sentPackets === 0) return;
    const { batch } = this;
    const at = batch.count;
    for (let i = 0; i < ADDRESS; i++) batch.buffer[at * ADDRESS + i] = peer[offset + i]!;
    batch.receivedPackets[at] = carried.receivedPackets;
    batch.receivedBytes[at] = carried.receivedBytes;
    batch.sentPackets[at] = carried.sentPackets;
    batch.sentBytes[at] = carried.sentBytes;
    this.finish(carried.lastReceived, carried.lastSent);
  }

  /** Hands over what there is: the only place where that happens. */
  flush(): void {
    const { batch, full } = this;
    if (full.length > 0) {
      this.full = [];
      for (const one of full) this.handOver(one);
    }
    if (batch.count === 0) return;
    this.handOver(batch);
    batch.count = 0;
  }

  private finish(received: number, sent: number): void {
    const { batch } = this;
    const at = batch.count++;
    // Where nothing was received since, the entry holds when the machine had heard the peer: that is no news.
    batch.receivedAt[at] = batch.receivedPackets[at] === 0 ? -Infinity : this.toClock(received);
    batch.sentAt[at] = batch.sentPackets[at] === 0 ? -Infinity : this.toClock(sent);
    if (batch.count < MOST) return;
    this.full.push(batch);
    this.batch = makeBatch();
  }
}

function makeBatch() {
  return {
    count: 0,
    buffer: new Uint8Array(MOST * ADDRESS),
    receivedAt: new Float64Array(MOST),
    sentAt: new Float64Array(MOST),
    receivedPackets: new Float64Array(MOST),
    receivedBytes: new Float64Array(MOST),
    sentPackets: new Float64Array(MOST),
    sentBytes: new Float64Array(MOST),
  };
}
