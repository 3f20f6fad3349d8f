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
  /** Packets forwarded from one IPv4 address to another. */
  readonly forwardedByPair: BucketLimits;
  /** Packets forwarded to a Teredo client, by the IPv4 address they go to; its members are the addresses they come from. */
  readonly forwarded: FairLimits;
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
  forwardedByPair: { perSecond: 200, burst: 1_000 },
  forwarded: {
    shared: { perSecond: 1_000, burst: 5_000 },
    member: MODEST,
    reserve: { perSecond: 250, burst: 1_000 },
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
    forwardedByPair: bucketPart(forwardedByPair, parts.forwarded),
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
