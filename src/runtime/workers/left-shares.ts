import type { Entropy } from '../../core/entropy.ts';
import { FairBudget } from '../../core/fair-budget.ts';
import type { FairLimits } from '../../core/fair-budget.ts';
import { HashKey } from '../../core/hash.ts';
import { TokenBuckets } from '../../core/token-buckets.ts';
import type { BucketLimits } from '../../core/token-buckets.ts';

interface LeftLimits extends FairLimits {
  /** Of one peer. Less than `shared`: one peer alone does not use that up. */
  readonly peer: BucketLimits;
}

/** `shared` and `reserve` of both are the limit of a worker: 2,000 in a second, 256 at once. */
const DATAGRAMS: LeftLimits = {
  peer: { perSecond: 500, burst: 64 },
  shared: { perSecond: 1_000, burst: 128 },
  member: { perSecond: 20, burst: 8 },
  reserve: { perSecond: 500, burst: 64 },
};
const PACKETS: LeftLimits = {
  peer: { perSecond: 250, burst: 32 },
  shared: { perSecond: 375, burst: 48 },
  member: { perSecond: 10, burst: 4 },
  reserve: { perSecond: 125, burst: 16 },
};

/** How many datagrams, and packets of the host, a worker may leave: no peer uses up the shares of others, and datagrams not those of the host. */
export class LeftShares {
  private readonly datagrams: Shares;
  private readonly packets: Shares;

  constructor(entropy: Entropy) {
    this.datagrams = new Shares(DATAGRAMS, entropy);
    this.packets = new Shares(PACKETS, entropy);
  }

  /** By the outer source; of the reserve each address has one share, for all its ports. */
  takeDatagram(address: number, port: number, now: number): boolean {
    return this.datagrams.take(address, port, address, now);
  }

  /** By the destination: two words of its address that differ from peer to peer. */
  takePacket(high: number, low: number, now: number): boolean {
    return this.packets.take(high, low, this.packets.hash.of2(high, low), now);
  }
}

class Shares {
  readonly hash: HashKey;
  private readonly byPeer: TokenBuckets;
  private readonly all: FairBudget;

  constructor(limits: LeftLimits, entropy: Entropy) {
    this.hash = new HashKey(entropy);
    this.byPeer = new TokenBuckets(limits.peer, entropy);
    this.all = new FairBudget(limits, entropy);
  }

  take(high: number, low: number, member: number, now: number): boolean {
    return this.byPeer.take(high, low, now) && this.all.take(0, 0, member, now);
  }
}
