import type { FairLimits } from '../fair-budget.ts';
import type { BucketLimits } from '../token-buckets.ts';

/**
 * What a server gives any one address at the most. A carrier NAT with 10,000 clients on one address asks for some 400
 * advertisements a second while they are idle, for 2,000 while all of them talk (our clients look at their mapping every 5 s then,
 * adr/0003), and for two each at once after an outage: all that passes.
 */
export interface ServerLimits {
  /** Answers to solicitations and pings, by the IPv4 address they go to; its members are ports. */
  readonly answers: FairLimits;
  /** Bubbles forwarded from one IPv4 address to another; its members are IPv6 sources, with the port that the bubble goes to. */
  readonly forwardedByPair: FairLimits;
  /** Bubbles forwarded to a Teredo client, by the IPv4 address they go to; its members are the addresses they come from. */
  readonly forwarded: FairLimits;
  /** ICMPv6 forwarded from one IPv4 address to another. It takes nothing of what bubbles have. */
  readonly forwardedIcmpByPair: BucketLimits;
  /** ICMPv6 forwarded to a Teredo client, by the IPv4 address it goes to; its members are the addresses it comes from. */
  readonly forwardedIcmp: FairLimits;
  /** Pings sent on to native hosts, by the IPv4 address they come from; its members are ports. */
  readonly nativeByClient: FairLimits;
  /** Pings sent on to native hosts, by the /64 they go to; its members are the IPv4 addresses they come from. */
  readonly native: FairLimits;
}

const MODEST: BucketLimits = { perSecond: 0.5, burst: 4 };

export const SERVER_LIMITS: ServerLimits = {
  answers: {
    shared: { perSecond: 3_000, burst: 20_000 },
    member: MODEST,
    reserve: { perSecond: 500, burst: 5_000 },
  },
  // Together 1,000, then 200/s from one address to another.
  forwardedByPair: {
    shared: { perSecond: 100, burst: 500 },
    member: MODEST,
    reserve: { perSecond: 60, burst: 300 },
  },
  forwardedIcmpByPair: { perSecond: 40, burst: 200 },
  // Together 6,000, then 1,250/s to one address.
  forwarded: {
    shared: { perSecond: 900, burst: 4_500 },
    member: MODEST,
    reserve: { perSecond: 225, burst: 900 },
  },
  forwardedIcmp: {
    shared: { perSecond: 100, burst: 500 },
    member: MODEST,
    reserve: { perSecond: 25, burst: 100 },
  },
  nativeByClient: {
    shared: { perSecond: 500, burst: 5_000 },
    member: MODEST,
    reserve: { perSecond: 100, burst: 500 },
  },
  native: {
    shared: { perSecond: 1_000, burst: 5_000 },
    member: MODEST,
    reserve: { perSecond: 250, burst: 1_000 },
  },
};

/** Of the two kinds of work that somebody else (the kernel, for one) can share. */
export type SharedWork = 'answers' | 'forwarded';

/**
 * Who shares the work has a part of what an address may get, so that all together give no more. What only the machine does is not shared.
 */
export function partOf(limits: ServerLimits, parts: Readonly<Record<SharedWork, number>>): ServerLimits {
  const { answers, forwarded, forwardedByPair } = limits;
  return {
    ...limits,
    answers: fairPart(answers, parts.answers),
    forwarded: fairPart(forwarded, parts.forwarded),
    forwardedByPair: fairPart(forwardedByPair, parts.forwarded),
  };
}

function fairPart({ shared, member, reserve }: FairLimits, part: number): FairLimits {
  return {
    shared: bucketPart(shared, part),
    member: bucketPart(member, part),
    reserve: bucketPart(reserve, part),
  };
}

/** Who may have one may have one of each: less than a whole one is never given. */
function bucketPart({ perSecond, burst }: BucketLimits, part: number): BucketLimits {
  return { perSecond: perSecond * part, burst: Math.max(burst * part, Math.min(burst, 1)) };
}

/** The largest ICMPv6 packet that is answered or forwarded: what fits into one packet of the tunnel's MTU. */
export const MAX_ICMPV6_BYTES = 1280;

/**
 * Tokens that forwarding a packet costs, or answering a ping: one for bubbles and connectivity tests, more for what is longer, so that nobody
 * gets loads of them sent to somebody.
 */
export function forwardingCost(length: number): number {
  return Math.ceil(length / 128);
}
