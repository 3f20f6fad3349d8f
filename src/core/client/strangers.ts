import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import { readUint32 } from '../../wire/index.ts';

/** More sources than a host has yet to answer. */
const MOST = 16_384;
/** Longer than a host goes on answering who has gone silent: a SYN-ACK's repetitions end after half a minute. */
const MEMORY_MS = 60_000;

/**
 * Sources that spoke to this host before it spoke to them, and have not proven themselves: what the host sends them may be
 * owed to somebody who forges. Of more than there is room for, those that have been silent longest are forgotten.
 */
export class Strangers {
  private readonly hash: HashKey;
  /** When each spoke last, by its address's hash; the order is that of these times. */
  private readonly spokenAt = new Map<number, number>();

  constructor(entropy: Entropy) {
    this.hash = new HashKey(entropy);
  }

  /** The IPv6 address at an offset has spoken. */
  note(b: Uint8Array, o: number, now: number): void {
    const { spokenAt } = this;
    const tag = this.tagOf(b, o);
    spokenAt.delete(tag);
    spokenAt.set(tag, now);
    for (const [oldest, at] of spokenAt) {
      if (spokenAt.size <= MOST && now - at < MEMORY_MS) break;
      spokenAt.delete(oldest);
    }
  }

  /** Whether the IPv6 address at an offset has spoken within a minute. */
  has(b: Uint8Array, o: number, now: number): boolean {
    return now - (this.spokenAt.get(this.tagOf(b, o)) ?? -Infinity) < MEMORY_MS;
  }

  private tagOf(b: Uint8Array, o: number): number {
    return this.hash.of4(readUint32(b, o), readUint32(b, o + 4), readUint32(b, o + 8), readUint32(b, o + 12));
  }
}
