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
    (this.bytes as SlabBytes)[ADDRESS] = this.memory.address;
  }

  /** Offset of a slot's data. */
  start(slot: number): number {
    return slot * this.stride + this.headroom;
  }

  release(): void {
    (this.bytes as SlabBytes)[ADDRESS] = undefined;
  }
}

/** The address of the first of these bytes if they are in a slab; otherwise undefined. It costs the same however many slabs there are. */
export function addressOfSlab(bytes: Uint8Array): number | undefined {
  return (bytes as SlabBytes)[ADDRESS];
}

const ADDRESS = Symbol('address of a slab');

interface SlabBytes extends Uint8Array {
  [ADDRESS]?: number | undefined;
}
