import type { PaidFrom, Payment, Requester } from '../contacts.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { FairShares } from '../fair-shares.ts';
import { HashKey } from '../hash.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { RelayLimits } from './limits.ts';

/** Of what goes through one server, or straight to one address: of native /32s, /48s, /64s; of all clients that meet others, their IPv4 addresses, their ports. */
const WEIGHTS = [4, 4, 4];
/** Buckets for servers, or for mapped addresses. */
const GROUPS = 16_384;
/** In place of a /32. */
const CLIENTS = 0;

/** What was taken for a bubble. */
export interface BubblePayment extends Payment {
  readonly requester: Requester;
  /** Where of the requester's budget; undefined: nothing was taken there. */
  readonly source: PaidFrom | undefined;
  /** Whether one went straight to the client, too. */
  readonly isDirect: boolean;
}

/** Who may cause how many bubbles, and who may get how many. */
export class Budgets {
  private readonly bySource: FairBudget;
  private readonly byServer: FairShares;
  /** What each /64 may have of a server besides, where others have used up what all share. */
  private readonly modest: TokenBuckets;
  private readonly serverReserve: FairShares;
  private readonly hash: HashKey;
  private readonly byClient: FairShares;
  private readonly sourceEarnings: TokenBuckets;
  private readonly serverEarnings: TokenBuckets;
  /** Whether there are bubbles straight to clients. */
  direct: boolean;

  constructor(limits: RelayLimits, direct: boolean, entropy: Entropy) {
    this.direct = direct;
    this.bySource = new FairBudget(limits.bySource, entropy);
    const { shared, member, reserve } = limits.byServer;
    this.byServer = new FairShares(shared, WEIGHTS, entropy, GROUPS);
    this.serverReserve = new FairShares(reserve, WEIGHTS, entropy, GROUPS);
    this.modest = new TokenBuckets(member, entropy);
    this.hash = new HashKey(entropy);
    this.byClient = new FairShares(limits.byClient, WEIGHTS, entropy, GROUPS);
    this.sourceEarnings = new TokenBuckets(limits.sourceEarnings, entropy);
    this.serverEarnings = new TokenBuckets(limits.serverEarnings, entropy);
  }

  /** For a bubble that this native host has caused; returns what it was taken from. */
  takeSource(requester: Requester, now: number): PaidFrom | undefined {
    const [a, b, c, d] = requester;
    return this.bySource.pay(a, b, c, d, now);
  }

  /** It was taken from there, and no bubble was sent for it, or the one that was sent has been answered. */
  giveSource([a, b, c, d]: Requester, from: PaidFrom, now: number): void {
    if (from === 'shared') this.bySource.give(a, b, now, 1);
    else this.bySource.giveReserve(a, b, c, d, now);
  }

  /** For a bubble through this server; returns what it was taken from. */
  takeServer(server: Ipv4, requester: Requester, now: number): PaidFrom | undefined {
    const path = pathOf(requester);
    if (this.byServer.take(server, path, now)) return 'shared';
    const member = this.memberOf(server, requester);
    const isTaken =
      this.modest.has(member, 0, now) &&
      this.serverReserve.take(server, path, now) &&
      this.modest.take(member, 0, now);
    return isTaken ? 'reserve' : undefined;
  }

  /** For a bubble straight to this mapped address. */
  takeClient(mapped: Ipv4, requester: Requester, now: number): boolean {
    return this.byClient.take(mapped, pathOf(requester), now);
  }

  /**
   * The client has answered bubbles for which that was paid: each budget gets back what was taken from it, and the bubbles count no more in the shares. The
   * budgets of the server and of the requester of the contact, where there is one, earn one token more.
   */
  reward(
    requester: Requester | undefined,
    server: Ipv4,
    mapped: Ipv4,
    paid: readonly BubblePayment[],
    now: number,
  ): void {
    for (const payment of paid) this.giveBack(payment, server, mapped, now);
    if (requester !== undefined && this.sourceEarnings.take(requester[0], requester[1], now))
      this.bySource.give(requester[0], requester[1], now, 1);
    if (this.serverEarnings.take(0, server, now)) this.byServer.give(server, [], [], now, 0, 1);
  }

  private giveBack(payment: BubblePayment, server: Ipv4, mapped: Ipv4, now: number): void {
    const { requester } = payment;
    const path = pathOf(requester);
    const times = [payment.at];
    if (payment.source !== undefined) this.giveSource(requester, payment.source, now);
    if (payment.from === 'shared') {
      this.byServer.give(server, path, times, now, 1, 1);
    } else {
      this.serverReserve.give(server, path, times, now, 1, 1);
      this.modest.give(this.memberOf(server, requester), 0, now, 1);
    }
    if (payment.isDirect) this.byClient.give(mapped, path, times, now, 1, 1);
  }

  private memberOf(server: Ipv4, [high, low]: Requester): number {
    return this.hash.of4(0, server, high, low);
  }
}

/** Networks of the one that wants a bubble, the larger ones first. */
function pathOf([a, b, , d]: Requester): [number, number, number] {
  return a === 0 ? [CLIENTS, b, d] : [a, b & 0xffff0000, b];
}
