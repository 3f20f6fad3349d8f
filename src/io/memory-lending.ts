import { HEADROOM } from '../core/machine.ts';

/** Bytes that the ports in memory pass to each other, each in an array of its own. */
export interface Parcel {
  readonly bytes: Uint8Array;
}

export interface Lent<P extends Parcel> {
  readonly parcels: readonly P[];
  readonly count: number;
  readonly buffer: Uint8Array;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
}

/** The batch size of the kernel's ports. */
const BATCH = 64;
/** Fills a batch after its callback has returned, so that a test notices code that still reads it. */
const POISON = 0xdb;

/** Hands parcels over in batches under the rules of the ports: each has head-room, and is overwritten afterwards. */
export function lend<P extends Parcel>(
  parcels: readonly P[],
  callback: (batch: Lent<P>) => void,
  headroom = HEADROOM,
): void {
  for (let at = 0; at < parcels.length; at += BATCH)
    lendBatch(parcels.slice(at, at + BATCH), callback, headroom);
}

/** Bytes for the next flush: copied now, unless they lie in a batch that is being delivered. */
export class Pending {
  private readonly lent: Uint8Array | undefined;
  private readonly view: Uint8Array;

  constructor(buffer: Uint8Array, offset: number, length: number) {
    this.lent = lentOut.has(buffer) ? buffer : undefined;
    const bytes = buffer.subarray(offset, offset + length);
    this.view = this.lent === undefined ? bytes.slice() : bytes;
  }

  /** Throws if lent bytes were not flushed before the callback returned. */
  take(): Uint8Array {
    if (this.lent !== undefined && !lentOut.has(this.lent)) {
      throw new Error('bytes of a batch were queued, but not flushed before its callback returned');
    }
    return this.view.slice();
  }
}

const lentOut = new WeakSet<Uint8Array>();

function lendBatch<P extends Parcel>(
  parcels: readonly P[],
  callback: (batch: Lent<P>) => void,
  headroom: number,
): void {
  const offsets = new Uint32Array(parcels.length);
  const lengths = Uint32Array.from(parcels, ({ bytes }) => bytes.length);
  let end = 0;
  for (let i = 0; i < parcels.length; i++) {
    offsets[i] = end + headroom;
    end = offsets[i]! + lengths[i]!;
  }
  const buffer = new Uint8Array(end);
  for (let i = 0; i < parcels.length; i++) buffer.set(parcels[i]!.bytes, offsets[i]);
  lentOut.add(buffer);
  try {
    callback({ parcels, count: parcels.length, buffer, offsets, lengths });
  } finally {
    lentOut.delete(buffer);
    buffer.fill(POISON);
  }
}
