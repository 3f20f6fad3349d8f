import { Memory } from './libc.ts';

const IOVEC = 16;
/** UIO_MAXIOV, the most that one system call takes. */
const MAX_PIECES = 1_024;

/** Pieces of memory that one writev hands over as one: first `head`, of which `headLength` bytes count, then the added ones. */
export class Gather {
  readonly head: Uint8Array;
  private readonly memory: Memory;
  private readonly iovecs: Memory;
  private readonly words: Uint32Array;
  private pieces = 1;
  private total = 0;

  constructor(headSize: number) {
    this.memory = new Memory(headSize);
    this.head = this.memory.bytes;
    this.iovecs = new Memory(MAX_PIECES * IOVEC);
    this.words = new Uint32Array(this.iovecs.bytes.buffer);
    this.setAddress(0, this.memory.address);
  }

  /** Where the list of pieces lies. */
  get address(): number {
    return this.iovecs.address;
  }

  get count(): number {
    return this.pieces;
  }

  /** Bytes of all pieces together. */
  get length(): number {
    return this.total;
  }

  get isFull(): boolean {
    return this.pieces === MAX_PIECES;
  }

  /** Forgets all pieces but the first `headLength` bytes of the head. */
  reset(headLength: number): void {
    this.words[2] = this.total = headLength;
    this.pieces = 1;
  }

  add(address: number, length: number): void {
    const at = this.pieces++ * 4;
    this.setAddress(at, address);
    this.words[at + 2] = length;
    this.total += length;
  }

  private setAddress(at: number, address: number): void {
    const high = Math.floor(address / 2 ** 32);
    this.words[at] = address - high * 2 ** 32;
    this.words[at + 1] = high;
  }
}
