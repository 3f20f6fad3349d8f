import { Memory } from './libc.ts';

/**
 * Slots for packets, one after the other in one piece of memory, each with room for headers in front. Other ports may send
 * right out of it while its batch is being delivered, so every slab's address can be found by its bytes.
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

  /** Where the data of a slot begins. */
  start(slot: number): number {
    return slot * this.stride + this.headroom;
  }

  release(): void {
    const at = slabs.indexOf(this);
    if (at >= 0) slabs.splice(at, 1);
  }
}

/** Where the first of these bytes lies, if they are a slab's; else undefined. */
export function addressOfSlab(bytes: Uint8Array): number | undefined {
  for (const slab of slabs) if (slab.bytes === bytes) return slab.memory.address;
  return undefined;
}

/** A handful: one or two a port. */
const slabs: Slab[] = [];
