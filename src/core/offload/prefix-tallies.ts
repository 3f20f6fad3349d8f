import { OCTETS_PER_TALLY } from '../users/index.ts';

/** Octets of a prefix in a batch of tallies: the first half of an address. */
export const PREFIX_BYTES = 8;

/** Tallies of native prefixes since the last report: one index for each prefix. */
export interface PrefixTallies {
  readonly count: number;
  /** Prefixes, {@link PREFIX_BYTES} octets each. */
  readonly buffer: Uint8Array;
  /** Number of tallies, each for OCTETS_PER_TALLY octets: received from the prefix, and sent to it. */
  readonly received: Uint32Array;
  readonly sent: Uint32Array;
}

/** Makes tallies as the programs in the kernel do, but without chance. */
export class TallyMaker {
  private octetsLeft = OCTETS_PER_TALLY;
  private readonly made = new Map<string, { prefix: Uint8Array; received: number; sent: number }>();

  get isEmpty(): boolean {
    return this.made.size === 0;
  }

  /** A packet of so many octets is carried from or to the native host with the address at `buffer[offset]`. */
  count(buffer: Uint8Array, offset: number, octets: number, direction: 'received' | 'sent'): void {
    this.octetsLeft -= octets;
    if (this.octetsLeft > 0) return;
    this.octetsLeft += OCTETS_PER_TALLY;
    const prefix = buffer.slice(offset, offset + PREFIX_BYTES);
    const key = prefix.join();
    const tallies = this.made.get(key) ?? { prefix, received: 0, sent: 0 };
    tallies[direction]++;
    this.made.set(key, tallies);
  }

  /** The tallies since the last call. */
  take(): PrefixTallies {
    const made = [...this.made.values()];
    this.made.clear();
    const buffer = new Uint8Array(PREFIX_BYTES * made.length);
    made.forEach(({ prefix }, i) => buffer.set(prefix, PREFIX_BYTES * i));
    return {
      count: made.length,
      buffer,
      received: Uint32Array.from(made, ({ received }) => received),
      sent: Uint32Array.from(made, ({ sent }) => sent),
    };
  }
}
