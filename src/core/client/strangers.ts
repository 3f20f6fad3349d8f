import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import { readUint32 } from '../../wire/index.ts';

/** More than packets of strangers that a host has yet to answer; a power of two. */
const PLACES = 16_384;
/** Longer than a host goes on answering who has gone silent: a SYN-ACK's repetitions end after half a minute. */
const MEMORY_S = 60;

/**
 * Sources that spoke to this host before it spoke to them, and have not proven themselves: what the host sends them may be
 * owed to somebody who forges. Memory is fixed: of two sources at one place the later is remembered.
 */
export class Strangers {
  private readonly hash: HashKey;
  private tags: Uint32Array | undefined;
  private seconds: Uint32Array | undefined;

  constructor(entropy: Entropy) {
    this.hash = new HashKey(entropy);
  }

  /** The IPv6 address at an offset has spoken. */
  note(b: Uint8Array, o: number, now: number): void {
    const tag = this.tagOf(b, o);
    this.tags ??= new Uint32Array(PLACES);
    this.seconds ??= new Uint32Array(PLACES);
    this.tags[tag & (PLACES - 1)] = tag;
    this.seconds[tag & (PLACES - 1)] = Math.floor(now / 1_000) + 1;
  }

  /** Whether the IPv6 address at an offset has spoken within a minute. */
  has(b: Uint8Array, o: number, now: number): boolean {
    if (this.tags === undefined || this.seconds === undefined) return false;
    const tag = this.tagOf(b, o);
    const place = tag & (PLACES - 1);
    return this.tags[place] === tag && Math.floor(now / 1_000) + 1 - this.seconds[place] < MEMORY_S;
  }

  private tagOf(b: Uint8Array, o: number): number {
    return this.hash.of4(readUint32(b, o), readUint32(b, o + 4), readUint32(b, o + 8), readUint32(b, o + 12));
  }
}
