import type { Wanter } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { RelayLimits } from './limits.ts';

/** Who may cause how many bubbles, and who may get how many. */
export class Budgets {
  private readonly bySource: FairBudget;
  private readonly byServer: FairBudget;
  private readonly byClient: TokenBuckets;
  private readonly sourceEarnings: TokenBuckets;
  private readonly serverEarnings: TokenBuckets;
  /** Whether there are bubbles straight to clients. */
  direct: boolean;

  constructor(limits: RelayLimits, direct: boolean, entropy: Entropy) {
    this.direct = direct;
    this.bySource = new FairBudget(limits.bySource, entropy);
    this.byServer = new FairBudget(limits.byServer, entropy);
    this.byClient = new TokenBuckets(limits.byClient, entropy);
    this.sourceEarnings = new TokenBuckets(limits.sourceEarnings, entropy);
    this.serverEarnings = new TokenBuckets(limits.serverEarnings, entropy);
  }

  /** For a bubble that this native host has caused. */
  takeSource(wanter: Wanter, now: number): boolean {
    const [a, b, c, d] = wanter;
    return this.bySource.take(a, b, c, d, now);
  }

  /** For a bubble through this server. */
  takeServer(server: Ipv4, wanter: Wanter, now: number): boolean {
    return this.byServer.take(0, server, wanter[0], wanter[1], now);
  }

  /** For a bubble straight to this mapped address. */
  takeClient(mapped: Ipv4, now: number): boolean {
    return this.byClient.take(0, mapped, now);
  }

  /** The client has answered after that many bubbles: the budgets they were taken from get them back, and earn one more. */
  reward(wanter: Wanter | undefined, server: Ipv4, mapped: Ipv4, bubbles: number, now: number): void {
    if (wanter !== undefined) {
      const [high, low] = wanter;
      const earned = this.sourceEarnings.take(high, low, now) ? 1 : 0;
      this.bySource.give(high, low, now, bubbles + earned);
    }
    const earned = this.serverEarnings.take(0, server, now) ? 1 : 0;
    this.byServer.give(0, server, now, bubbles + earned);
    if (this.direct) this.byClient.give(0, mapped, now, bubbles);
  }
}
