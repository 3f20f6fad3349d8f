import type { Entropy } from './entropy.ts';
import { HashKey } from './hash.ts';
import { TokenBuckets } from './token-buckets.ts';
import type { BucketLimits } from './token-buckets.ts';

export interface FairLimits {
  /** Tokens that all members of a group share. */
  readonly shared: BucketLimits;
  /** Tokens that one member may take when the shared ones are used up. Few, so that they help only members that send little. */
  readonly member: BucketLimits;
  /** Tokens that all members together may take when the shared ones are used up. */
  readonly reserve: BucketLimits;
}

/**
 * The budget of a group (an IPv4 address, a /64). A heavy sender does not starve the light senders of its group: when the
 * shared tokens are used up there is a reserve, of which each member gets a few tokens.
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

  /** Takes `cost` tokens of a group (two 32-bit words) for one of its members (one word). */
  take(groupHigh: number, groupLow: number, member: number, now: number, cost = 1): boolean {
    return (
      this.takeShared(groupHigh, groupLow, now, cost) ||
      this.takeReserve(groupHigh, groupLow, member, now, cost)
    );
  }

  /** Takes `cost` of the tokens that all members share. */
  takeShared(groupHigh: number, groupLow: number, now: number, cost = 1): boolean {
    return this.shared.take(groupHigh, groupLow, now, cost);
  }

  /** Takes `cost` tokens of the reserve. */
  takeReserve(groupHigh: number, groupLow: number, member: number, now: number, cost = 1): boolean {
    const key = this.hash.of4(groupHigh, groupLow, 0, member);
    return this.members.take(key, 0, now, cost) && this.reserve.take(groupHigh, groupLow, now, cost);
  }

  /** A packet that the reserve paid for has been answered: the member and the reserve get the token back. */
  giveReserve(groupHigh: number, groupLow: number, member: number, now: number): void {
    this.members.give(this.hash.of4(groupHigh, groupLow, 0, member), 0, now, 1);
    this.reserve.give(groupHigh, groupLow, now, 1);
  }

  /** Gives tokens back: packets sent for the group have been answered. */
  give(groupHigh: number, groupLow: number, now: number, tokens: number): void {
    this.shared.give(groupHigh, groupLow, now, tokens);
  }
}
