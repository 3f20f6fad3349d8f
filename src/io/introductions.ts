import { TokenBuckets } from '../core/token-buckets.ts';
import type { BucketLimits } from '../core/token-buckets.ts';
import type { Entropy } from '../core/entropy.ts';
import { BUBBLE_HOP_LIMIT } from '../core/constants.ts';
import { SystemCallError } from '../linux/errors.ts';
import { RawIpv6Socket } from '../linux/raw-ipv6.ts';
import { IPV6_HEADER, NEXT_HEADER, formatIpv6, writeIpv6Header } from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';

/** To each IPv4 address: a Teredo peer may be one that somebody else invented there. */
export const INTRODUCTION_LIMITS: BucketLimits = { perSecond: 10, burst: 100 };
/** A peer that does not take packets yet loses the first: repeated after so many ms, as long as it is not heard in return. */
const REPEATED_MS = [50, 250, 1_000, 3_000, 10_000];
/** Peers that introductions are repeated to; of more the oldest are left to themselves. */
const MOST_REPEATED = 256;
/** Many more than IPv4 addresses with new peers within some seconds. */
const BUCKETS = 1_024;

/**
 * Sends peers a packet of nothing that the programs carry: where a peer has such programs too, they see whose kernel
 * unwraps. Each side then has to have heard one only; a relay, which need not have an address of its own, hears the
 * client's. Whom the limit leaves out is served by user space as far as need be, until it introduces itself. adr/0013
 */
interface Introduction {
  readonly source: Ipv6;
  readonly peer: Ipv6;
  readonly address: Ipv4;
  repeated: number;
  dueAt: number;
}

export class Introductions {
  private readonly raw: Pick<RawIpv6Socket, 'send' | 'close'> | undefined;
  private readonly budget: TokenBuckets;
  /** Not empty: that would be a bubble. C-19 */
  private readonly packet = new Uint8Array(IPV6_HEADER + 8);
  private readonly pending = new Map<string, Introduction>();
  private readonly counted = { introductionsSuppressed: 0 };

  constructor(entropy: Entropy, raw: Pick<RawIpv6Socket, 'send' | 'close'> | undefined = openRaw()) {
    this.raw = raw;
    this.budget = new TokenBuckets(INTRODUCTION_LIMITS, entropy, BUCKETS);
  }

  get counters(): Readonly<Record<string, number>> {
    return this.counted;
  }

  /** To the peer, which is at this IPv4 address; `now` in ms. */
  begin(source: Ipv6, peer: Ipv6, address: Ipv4, now: number): void {
    const name = formatIpv6(peer);
    this.pending.delete(name);
    this.pending.set(name, { source, peer, address, repeated: 0, dueAt: now + REPEATED_MS[0]! });
    for (const oldest of this.pending.keys()) {
      if (this.pending.size <= MOST_REPEATED) break;
      this.pending.delete(oldest);
    }
    this.send(source, peer, address, now);
  }

  /** When the next one is to be repeated; Infinity: none. */
  get nextAt(): number {
    let at = Infinity;
    for (const { dueAt } of this.pending.values()) at = Math.min(at, dueAt);
    return at;
  }

  /** Repeats those that are due. `isNeeded`: whether the peer has still not been heard to have such programs. */
  repeat(now: number, isNeeded: (peer: Ipv6) => boolean): void {
    for (const [name, one] of this.pending) {
      if (now < one.dueAt) continue;
      const after = REPEATED_MS[++one.repeated];
      const goesOn = isNeeded(one.peer);
      if (goesOn) this.send(one.source, one.peer, one.address, now);
      if (goesOn && after !== undefined) one.dueAt = now + after;
      else this.pending.delete(name);
    }
  }

  private send(source: Ipv6, peer: Ipv6, address: Ipv4, now: number): void {
    if (this.raw === undefined) return;
    if (!this.budget.take(address, 0, now)) {
      this.counted.introductionsSuppressed++;
      return;
    }
    writeIpv6Header(this.packet, 0, {
      payloadLength: this.packet.length - IPV6_HEADER,
      nextHeader: NEXT_HEADER.NONE,
      hopLimit: BUBBLE_HOP_LIMIT,
      source,
      destination: peer,
    });
    this.raw.send(this.packet, 0, this.packet.length);
  }

  close(): void {
    this.raw?.close();
  }
}

/** Without it peers behind virtual links are served by user space. */
function openRaw(): RawIpv6Socket | undefined {
  try {
    return new RawIpv6Socket();
  } catch (error) {
    if (error instanceof SystemCallError) return undefined; // CAP_NET_RAW
    throw error;
  }
}
