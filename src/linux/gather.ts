import { Memory, writePointer } from './libc.ts';

const IOVEC = 16;
/** Pieces of memory that one writev writes as one packet: first `headLength` bytes of `head`, then the added ones. */
export class Gather {
  readonly head: Uint8Array;
  private readonly memory: Memory;
  private readonly iovecs: Memory;
  private readonly words: Uint32Array;
  private pieces = 1;
  private total = 0;

  /** `pieces`: the most in addition to the head; one system call takes 1,023. */
  constructor(headSize: number, pieces: number) {
    this.memory = new Memory(headSize);
    this.head = this.memory.bytes;
    this.iovecs = new Memory((1 + pieces) * IOVEC);
    this.words = new Uint32Array(this.iovecs.bytes.buffer);
    writePointer(this.words, 0, this.memory.address);
  }

  /** Address of the list of pieces. */
  get address(): number {
    return this.iovecs.address;
  }

  get count(): number {
    return this.pieces;
  }

  /** Total bytes of all pieces. */
  get length(): number {
    return this.total;
  }

  /** Forgets all pieces but the first `headLength` bytes of the head. */
  reset(headLength: number): void {
    this.words[2] = this.total = headLength;
    this.pieces = 1;
  }

  add(address: number, length: number): void {
    const at = this.pieces++ * 4;
    writePointer(this.words, at, address);
    this.words[at + 2] = length;
    this.total += length;
  }
}
