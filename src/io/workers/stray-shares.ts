import type { Entropy } from '../../core/entropy.ts';
import { FairBudget } from '../../core/fair-budget.ts';
import type { FairLimits } from '../../core/fair-budget.ts';
import { TokenBuckets } from '../../core/token-buckets.ts';

/** Of one outer source, for all its ports. Less than `shared`: one sender alone does not use that up. Far more than a server forwards to clients of other workers. */
const SENDER = { perSecond: 1_000, burst: 128 };
/** `shared` and `reserve` are the limit of a worker: 2,000 in a second, 256 at once. So a sender cannot have threads copy without end. */
const ALL: FairLimits = {
  shared: { perSecond: 1_500, burst: 192 },
  member: { perSecond: 20, burst: 8 },
  reserve: { perSecond: 500, burst: 64 },
};
const SENDERS = 4_096;

/** How many datagrams a worker may pass on to others: no sender uses up the shares of the others. */
export class StrayShares {
  private readonly bySender: TokenBuckets;
  private readonly all: FairBudget;

  constructor(entropy: Entropy) {
    this.bySender = new TokenBuckets(SENDER, entropy, SENDERS);
    this.all = new FairBudget(ALL, entropy);
  }

  take(sender: number, now: number): boolean {
    return this.bySender.take(sender, 0, now) && this.all.take(0, 0, sender, now);
  }
}
