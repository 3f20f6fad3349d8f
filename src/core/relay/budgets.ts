import type { PaidFrom, Requester, WholePayment } from '../payments.ts';
import type { Entropy } from '../entropy.ts';
import { FairBudget } from '../fair-budget.ts';
import { FairShares } from '../fair-shares.ts';
import { HashKey } from '../hash.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { RelayLimits } from './limits.ts';

/**
 * Weights of the levels for one server, or for one mapped address: /32, /48, /64 of native hosts; or all clients that ask for other clients, IPv4
 * address, port.
 */
const WEIGHTS = [4, 4, 4];
/** Number of buckets for servers, and for mapped addresses. */
const GROUPS = 16_384;
/** The first level of all clients, in place of a /32. */
const CLIENTS = 0;

/** The payment for a bubble: which parts of the budgets gave a token. */
export type BubblePayment = WholePayment;

/** The limits of bubbles: by the host that causes them, by the server they pass, and by the client that receives them. */
export class Budgets {
  private readonly bySource: FairBudget;
  private readonly byServer: FairShares;
  /** Bubbles through a server for one /64 when others have used up the shared ones. */
  private readonly byMember: TokenBuckets;
  private readonly serverReserve: FairShares;
  private readonly hash: HashKey;
  private readonly byClient: FairShares;
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
    this.byClient = new FairShares(limits.byClient, WEIGHTS, entropy, GROUPS);
    this.sourceEarnings = new TokenBuckets(limits.sourceEarnings, entropy);
    this.serverEarnings = new TokenBuckets(limits.serverEarnings, entropy);
  }

  /** Takes a token for a bubble that this requester has caused; returns the part of the budget that paid. */
  takeSource(requester: Requester, now: number): PaidFrom | undefined {
    const [a, b, c, d] = requester;
    if (this.bySource.takeShared(a, b, now)) return 'shared';
    return this.bySource.takeReserve(a, b, this.hash.of2(c, d), now) ? 'reserve' : undefined;
  }

  /** Gives a token back to the part of the budget that it came from: no bubble was sent for it, or the bubble was answered. */
  giveSource([a, b, c, d]: Requester, from: PaidFrom, now: number): void {
    if (from === 'shared') this.bySource.give(a, b, now, 1);
    else this.bySource.giveReserve(a, b, this.hash.of2(c, d), now);
  }

  /** Takes a token for a bubble through this server; returns the part of the budget that paid. */
  takeServer(server: Ipv4, requester: Requester, now: number): PaidFrom | undefined {
    const path = pathOf(requester);
    if (this.byServer.take(server, path, now)) return 'shared';
    const member = this.memberOf(server, requester);
    const isTaken =
      this.byMember.has(member, 0, now) &&
      this.serverReserve.take(server, path, now) &&
      this.byMember.take(member, 0, now);
    return isTaken ? 'reserve' : undefined;
  }

  /** Takes a token for a bubble directly to this mapped address. */
  takeClient(mapped: Ipv4, requester: Requester, now: number): boolean {
    return this.byClient.take(mapped, pathOf(requester), now);
  }

  /** A client has answered: the budgets of the server and of the requester of the contact, if there is one, earn a token. */
  earn(requester: Requester | undefined, server: Ipv4, now: number): void {
    if (requester !== undefined && this.sourceEarnings.take(requester[0], requester[1], now))
      this.bySource.give(requester[0], requester[1], now, 1);
    if (this.serverEarnings.take(0, server, now)) this.byServer.give(server, now, 1);
  }

  /** A bubble with this payment was answered: each budget gets back the token that it gave, and the bubble no longer counts in the shares. */
  giveBack(payment: BubblePayment, server: Ipv4, mapped: Ipv4, now: number): void {
    const { requester } = payment;
    if (payment.source !== undefined) this.giveSource(requester, payment.source, now);
    if (payment.from === 'shared') {
      this.giveShare(this.byServer, server, payment, now);
    } else {
      this.giveShare(this.serverReserve, server, payment, now);
      this.byMember.give(this.memberOf(server, requester), 0, now, 1);
    }
    if (payment.isDirect) this.giveShare(this.byClient, mapped, payment, now);
  }

  /** The token goes back to the group, and no longer counts in the shares. */
  private giveShare(shares: FairShares, group: Ipv4, { requester, at }: BubblePayment, now: number): void {
    shares.give(group, now, 1);
    shares.forgive(group, pathOf(requester), [at], now);
  }

  private memberOf(server: Ipv4, [high, low]: Requester): number {
    return this.hash.of4(0, server, high, low);
  }
}

/** The networks of a requester, the largest first. */
function pathOf([a, b, , d]: Requester): [number, number, number] {
  return a === 0 ? [CLIENTS, b, d] : [a, b & 0xffff0000, b];
}
