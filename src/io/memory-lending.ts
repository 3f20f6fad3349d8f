import { HEADROOM } from '../core/machine.ts';

/** What the ports in memory carry from one to the other: bytes of their own. */
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

/** As many as the kernel's ports hand over at a time. */
const BATCH = 64;
/** What a batch holds after the callback has returned: whoever still looks at it finds out. */
const POISON = 0xdb;

/** Hands parcels over in batches, on the terms of the ports: each with so much head-room, and overwritten afterwards. */
export function lend<P extends Parcel>(
  parcels: readonly P[],
  callback: (batch: Lent<P>) => void,
  headroom = HEADROOM,
): void {
  for (let at = 0; at < parcels.length; at += BATCH)
    lendBatch(parcels.slice(at, at + BATCH), callback, headroom);
}

/** Bytes to be sent at the next flush: copied now, unless they lie in a batch that is being delivered. */
export class Pending {
  private readonly lent: Uint8Array | undefined;
  private readonly view: Uint8Array;

  constructor(buffer: Uint8Array, offset: number, length: number) {
    this.lent = lentOut.has(buffer) ? buffer : undefined;
    const bytes = buffer.subarray(offset, offset + length);
    this.view = this.lent === undefined ? bytes.slice() : bytes;
  }

  /** Throws where lent bytes were not flushed in time. */
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
