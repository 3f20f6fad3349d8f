import { TokenBuckets } from '../core/token-buckets.ts';
import type { BucketLimits } from '../core/token-buckets.ts';
import type { Entropy } from '../core/entropy.ts';
import { BUBBLE_HOP_LIMIT } from '../core/constants.ts';
import { SystemCallError } from '../linux/errors.ts';
import { RawIpv6Socket } from '../linux/raw-ipv6.ts';
import { IPV6_HEADER, NEXT_HEADER, writeIpv6Header } from '../wire/index.ts';
import type { Ipv4, Ipv6 } from '../wire/index.ts';

/** To each IPv4 address: a Teredo peer may be one that somebody else invented there. */
export const INTRODUCTION_LIMITS: BucketLimits = { perSecond: 10, burst: 100 };
/** Many more than IPv4 addresses with new peers within some seconds. */
const BUCKETS = 1_024;

/**
 * Sends peers a packet of nothing that the programs carry: where a peer has such programs too, they see whose kernel
 * unwraps. Each side then has to have heard one only; a relay, which need not have an address of its own, hears the
 * client's. Whom the limit leaves out is served by user space as far as need be, until it introduces itself. adr/0013
 */
export class Introductions {
  private readonly raw = openRaw();
  private readonly budget: TokenBuckets;
  /** Not empty: that would be a bubble. C-19 */
  private readonly packet = new Uint8Array(IPV6_HEADER + 8);
  private readonly counted = { introductionsSuppressed: 0 };

  constructor(entropy: Entropy) {
    this.budget = new TokenBuckets(INTRODUCTION_LIMITS, entropy, BUCKETS);
  }

  get counters(): Readonly<Record<string, number>> {
    return this.counted;
  }

  /** To the peer, which is at this IPv4 address; `now` in ms. */
  send(source: Ipv6, peer: Ipv6, address: Ipv4, now: number): void {
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
