import type { Wanter } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { ANSWER_REWARD } from './limits.ts';
import type { RelayLimits } from './limits.ts';

/** Who may cause how many bubbles, and who may get how many. */
export class Budgets {
  private readonly bySource: FairBudget;
  private readonly byServer: FairBudget;
  private readonly byClient: TokenBuckets;
  private readonly direct: boolean;

  /** `direct`: whether there are bubbles straight to clients. */
  constructor(limits: RelayLimits, direct: boolean, entropy: Entropy) {
    this.direct = direct;
    this.bySource = new FairBudget(limits.bySource, entropy);
    this.byServer = new FairBudget(limits.byServer, entropy);
    this.byClient = new TokenBuckets(limits.byClient, entropy);
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

  /** The client has answered, after that many bubbles: everybody's budget they were taken from gets back more than that. */
  reward(wanter: Wanter | undefined, server: Ipv4, mapped: Ipv4, bubbles: number, now: number): void {
    const reward = bubbles + ANSWER_REWARD - 1;
    if (wanter !== undefined) this.bySource.give(wanter[0], wanter[1], now, reward);
    this.byServer.give(0, server, now, reward);
    if (this.direct) this.byClient.give(0, mapped, now, reward);
  }
}
