import { REPORT, uint64At } from '../../linux/bpf/layout.ts';
import type { Carried } from '../../linux/bpf/peer-map.ts';
import type { CarriedBatch } from '../ports.ts';

/** Reports in one batch. */
const MOST = 256;
const ADDRESS = 16;

/** Collects the kernel's reports of carried packets, converts times to the Clock's, and hands the reports over in batches. */
export class CarriedReports {
  private readonly toClock: (ns: number) => number;
  private readonly handOver: (batch: CarriedBatch) => void;
  private batch = makeBatch();
  private spare: ReturnType<typeof makeBatch> | undefined;
  /** Full batches that wait for the next {@link flush}. Their number grows with the peers that are removed at once. */
  private full: CarriedBatch[] = [];

  /** `toClock` converts ns of CLOCK_MONOTONIC to ms of the Clock. */
  constructor(toClock: (ns: number) => number, handOver: (batch: CarriedBatch) => void) {
    this.toClock = toClock;
    this.handOver = handOver;
  }

  /** Adds the report at an offset of the ring. */
  addRecord(view: DataView, offset: number): void {
    const { batch } = this;
    const at = batch.count;
    for (let i = 0; i < ADDRESS; i++)
      batch.buffer[at * ADDRESS + i] = view.getUint8(offset + REPORT.peer + i);
    batch.receivedPackets[at] = view.getUint32(offset + REPORT.receivedPackets, true);
    batch.receivedBytes[at] = uint64At(view, offset + REPORT.receivedBytes);
    batch.sentPackets[at] = view.getUint32(offset + REPORT.sentPackets, true);
    batch.sentBytes[at] = uint64At(view, offset + REPORT.sentBytes);
    const received = uint64At(view, offset + REPORT.lastReceived);
    const sent = uint64At(view, offset + REPORT.lastSent);
    this.finishCarried(received, sent);
  }

  /** Adds the counts that a removed entry still held. */
  addTaken(peer: Uint8Array, offset: number, carried: Carried): void {
    if (carried.receivedPackets === 0 && carried.sentPackets === 0) return;
    const { batch } = this;
    const at = batch.count;
    for (let i = 0; i < ADDRESS; i++) batch.buffer[at * ADDRESS + i] = peer[offset + i]!;
    batch.receivedPackets[at] = carried.receivedPackets;
    batch.receivedBytes[at] = carried.receivedBytes;
    batch.sentPackets[at] = carried.sentPackets;
    batch.sentBytes[at] = carried.sentBytes;
    this.finishCarried(carried.lastReceived, carried.lastSent);
  }

  /** A peer has answered a proof at `at` (Clock's time). Counts as a sign of life, not as traffic. */
  addHeard(peer: Uint8Array, at: number): void {
    const { batch } = this;
    const row = batch.count;
    batch.buffer.set(peer, row * ADDRESS);
    batch.receivedPackets[row] = batch.receivedBytes[row] = 0;
    batch.sentPackets[row] = batch.sentBytes[row] = 0;
    this.finish(at, -Infinity);
  }

  /** Hands over all reports. No other method calls the handler. */
  flush(): void {
    const { batch, full } = this;
    if (batch.count === 0 && full.length === 0) return;
    // A report that arrives inside the handler belongs to the next batch.
    this.batch = this.spare ?? makeBatch();
    this.spare = undefined;
    if (full.length > 0) {
      this.full = [];
      for (const one of full) this.handOver(one);
    }
    if (batch.count > 0) this.handOver(batch);
    batch.count = 0;
    this.spare = batch;
  }

  private finishCarried(received: number, sent: number): void {
    const { batch } = this;
    const row = batch.count;
    // If nothing was received since then, the entry holds the time at which the machine heard the peer: the machine knows it.
    this.finish(
      batch.receivedPackets[row] === 0 ? -Infinity : this.toClock(received),
      batch.sentPackets[row] === 0 ? -Infinity : this.toClock(sent),
    );
  }

  private finish(receivedAt: number, sentAt: number): void {
    const { batch } = this;
    batch.receivedAt[batch.count] = receivedAt;
    batch.sentAt[batch.count] = sentAt;
    if (++batch.count < MOST) return;
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
