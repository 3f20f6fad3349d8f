import { Memory } from './libc.ts';

/**
 * Slots for packets in one piece of memory, each with room for headers in front. Other ports may send directly from it while its batch is
 * being delivered, so a slab's address can be found from its bytes.
 */
export class Slab {
  readonly memory: Memory;
  readonly bytes: Uint8Array;
  readonly stride: number;
  readonly headroom: number;

  constructor(slots: number, size: number, headroom: number) {
    this.headroom = headroom;
    this.stride = Math.ceil((headroom + size) / 64) * 64;
    this.memory = new Memory(slots * this.stride);
    this.bytes = this.memory.bytes;
    slabs.push(this);
  }

  /** Offset of a slot's data. */
  start(slot: number): number {
    return slot * this.stride + this.headroom;
  }

  release(): void {
    const at = slabs.indexOf(this);
    if (at >= 0) slabs.splice(at, 1);
  }
}

/** The address of the first of these bytes if they are in a slab; otherwise undefined. */
export function addressOfSlab(bytes: Uint8Array): number | undefined {
  for (const slab of slabs) if (slab.bytes === bytes) return slab.memory.address;
  return undefined;
}

/** A few: one or two per port. */
const slabs: Slab[] = [];
