import type { PaidFrom } from './contacts.ts';
import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';
import { TokenBuckets } from './token-buckets.ts';
import type { BucketLimits } from './token-buckets.ts';

export interface FairLimits {
  /** What all members of a group share. */
  readonly shared: BucketLimits;
  /** What a member may take after that; small, so that only those count on it who hardly took anything. */
  readonly member: BucketLimits;
  /** What all members together may take after that. */
  readonly reserve: BucketLimits;
}

/**
 * A budget of a group (of an IPv4 address, a /64), in which a greedy member does not starve the modest ones: once the
 * shared tokens are spent there is a reserve, of which each member gets a few.
 */
export class FairBudget {
  private readonly shared: TokenBuckets;
  private readonly members: TokenBuckets;
  private readonly reserve: TokenBuckets;
  private readonly hash: HashKey;

  constructor(limits: FairLimits, entropy: Entropy) {
    this.shared = new TokenBuckets(limits.shared, entropy);
    this.members = new TokenBuckets(limits.member, entropy);
    this.reserve = new TokenBuckets(limits.reserve, entropy);
    this.hash = new HashKey(entropy);
  }

  /** Takes `cost` tokens of a group for one of its members, two 32-bit words each. */
  take(
    groupHigh: number,
    groupLow: number,
    memberHigh: number,
    memberLow: number,
    now: number,
    cost = 1,
  ): boolean {
    return this.pay(groupHigh, groupLow, memberHigh, memberLow, now, cost) !== undefined;
  }

  /** As {@link take}; returns from where the tokens came, undefined where there were too few. */
  pay(
    groupHigh: number,
    groupLow: number,
    memberHigh: number,
    memberLow: number,
    now: number,
    cost = 1,
  ): PaidFrom | undefined {
    if (this.shared.take(groupHigh, groupLow, now, cost)) return 'shared';
    const member = this.hash.of4(groupHigh, groupLow, memberHigh, memberLow);
    const isTaken =
      this.members.take(member, 0, now, cost) && this.reserve.take(groupHigh, groupLow, now, cost);
    return isTaken ? 'reserve' : undefined;
  }

  /** A token of the reserve has been answered: the member and the reserve get it back. */
  giveReserve(groupHigh: number, groupLow: number, memberHigh: number, memberLow: number, now: number): void {
    this.members.give(this.hash.of4(groupHigh, groupLow, memberHigh, memberLow), 0, now, 1);
    this.reserve.give(groupHigh, groupLow, now, 1);
  }

  /** What was sent for the group has been answered. */
  give(groupHigh: number, groupLow: number, now: number, tokens: number): void {
    this.shared.give(groupHigh, groupLow, now, tokens);
  }
}
