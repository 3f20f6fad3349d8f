import { timesOf } from '../contacts.ts';
import type { PaidFrom, Payment, Requester } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { FairShares } from '../fair-shares.ts';
import { HashKey } from '../hash.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { RelayLimits } from './limits.ts';

/** Weights of the levels for one server: /32, /48, /64 of native hosts; or all clients that ask for other clients, IPv4 address, port. */
const WEIGHTS = [4, 4, 4];
/** Number of buckets for servers. */
const GROUPS = 16_384;
/** The first level of all clients, in place of a /32. */
const CLIENTS = 0;

/** The limits of bubbles: by the host that causes them, by the server they pass, and by the client that receives them. */
export class Budgets {
  private readonly bySource: FairBudget;
  private readonly byServer: FairShares;
  /** Bubbles through a server for one /64 when others have used up the shared ones. */
  private readonly byMember: TokenBuckets;
  private readonly serverReserve: FairShares;
  private readonly hash: HashKey;
  private readonly byClient: TokenBuckets;
  private readonly sourceEarnings: TokenBuckets;
  private readonly serverEarnings: TokenBuckets;
  /** Whether the relay sends bubbles directly to clients, too. */
  direct: boolean;

  constructor(limits: RelayLimits, direct: boolean, entropy: Entropy) {
    this.direct = direct;
    this.bySource = new FairBudget(limits.bySource, entropy);
    const { shared, member, reserve } = limits.byServer;
    this.byServer = new FairShares(shared, WEIGHTS, entropy, GROUPS);
    this.serverReserve = new FairShares(reserve, WEIGHTS, entropy, GROUPS);
    this.byMember = new TokenBuckets(member, entropy);
    this.hash = new HashKey(entropy);
    this.byClient = new TokenBuckets(limits.byClient, entropy);
    this.sourceEarnings = new TokenBuckets(limits.sourceEarnings, entropy);
    this.serverEarnings = new TokenBuckets(limits.serverEarnings, entropy);
  }

  /** Takes a token for a bubble that this requester has caused. */
  takeSource(requester: Requester, now: number): boolean {
    const [a, b, c, d] = requester;
    return this.bySource.take(a, b, this.hash.of2(c, d), now);
  }

  /** Takes a token for a bubble through this server; returns the part of the budget that paid. */
  takeServer(server: Ipv4, requester: Requester, now: number): PaidFrom | undefined {
    const path = pathOf(requester);
    if (this.byServer.take(server, path, now)) return 'shared';
    const member = this.hash.of4(0, server, requester[0], requester[1]);
    const isTaken =
      this.byMember.has(member, 0, now) &&
      this.serverReserve.take(server, path, now) &&
      this.byMember.take(member, 0, now);
    return isTaken ? 'reserve' : undefined;
  }

  /** Takes a token for a bubble directly to this mapped address. */
  takeClient(mapped: Ipv4, now: number): boolean {
    return this.byClient.take(0, mapped, now);
  }

  /**
   * The client has answered bubbles with these payments. The bubbles no longer count in the shares of their server, and the budgets get the
   * tokens back and one more.
   */
  reward(
    requester: Requester | undefined,
    server: Ipv4,
    mapped: Ipv4,
    paid: readonly Payment[],
    now: number,
  ): void {
    const bubbles = paid.length;
    if (requester !== undefined) {
      const [high, low] = requester;
      const earned = this.sourceEarnings.take(high, low, now) ? 1 : 0;
      this.bySource.give(high, low, now, bubbles + earned);
    }
    const earned = this.serverEarnings.take(0, server, now) ? 1 : 0;
    const path = requester === undefined ? [] : pathOf(requester);
    this.byServer.give(server, now, bubbles + earned);
    this.byServer.forgive(server, path, timesOf(paid, 'shared'), now);
    this.serverReserve.forgive(server, path, timesOf(paid, 'reserve'), now);
    if (this.direct) this.byClient.give(0, mapped, now, bubbles);
  }
}

/** The networks of a requester, the largest first. */
function pathOf([a, b, , d]: Requester): [number, number, number] {
  return a === 0 ? [CLIENTS, b, d] : [a, b & 0xffff0000, b];
}
