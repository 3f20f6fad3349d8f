import type { Contact } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { ANSWER_REWARD } from './limits.ts';
import type { RelayLimits } from './limits.ts';

/** Who may cause how many bubbles, and who may get how many. */
export class Budgets {
  private readonly bySource: TokenBuckets;
  private readonly byServer: TokenBuckets;
  private readonly byClient: TokenBuckets;

  constructor(limits: RelayLimits, entropy: Entropy) {
    this.bySource = new TokenBuckets(limits.bySource, entropy);
    this.byServer = new TokenBuckets(limits.byServer, entropy);
    this.byClient = new TokenBuckets(limits.byClient, entropy);
  }

  /** For a new contact wanted by a host in this /64. */
  takeSource(high: number, low: number, now: number): boolean {
    return this.bySource.take(high, low, now);
  }

  /** For a bubble through this server. */
  takeServer(server: Ipv4, now: number): boolean {
    return this.byServer.take(0, server, now);
  }

  /** For a bubble straight to this mapped address. */
  takeClient(mapped: Ipv4, now: number): boolean {
    return this.byClient.take(0, mapped, now);
  }

  /** The contact was answered: everybody whose budget it took from gets back more than that. */
  reward(contact: Contact, server: Ipv4, mapped: Ipv4, now: number): void {
    const reward = contact.attempts + ANSWER_REWARD - 1;
    this.bySource.give(contact.sourceHigh, contact.sourceLow, now, reward);
    this.byServer.give(0, server, now, reward);
    this.byClient.give(0, mapped, now, reward);
  }
}
