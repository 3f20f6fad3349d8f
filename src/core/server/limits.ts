import type { FairLimits } from '../fair-budget.ts';
import type { BucketLimits } from '../token-buckets.ts';

/**
 * The limits of a server for one address. They allow for a carrier NAT with 10,000 clients on one address: it needs some 400
 * advertisements a second while the clients are idle, 2,000 while all of them have traffic (clients of this program then check their
 * mapping every 5 s, adr/0003), and two for each client at once after an outage.
 */
export interface ServerLimits {
  /** Answers to solicitations and pings, by destination IPv4 address; its members are ports. */
  readonly answers: FairLimits;
  /** Packets forwarded from one IPv4 address to another. */
  readonly forwardedByPair: BucketLimits;
  /** Packets forwarded to Teredo clients, by destination IPv4 address; its members are source addresses. */
  readonly forwarded: FairLimits;
  /** Pings forwarded to native hosts, by source IPv4 address; its members are ports. */
  readonly nativeByClient: FairLimits;
  /** Pings forwarded to native hosts, by destination /64; its members are source IPv4 addresses. */
  readonly native: FairLimits;
}

const PER_MEMBER: BucketLimits = { perSecond: 0.5, burst: 4 };

export const SERVER_LIMITS: ServerLimits = {
  answers: {
    shared: { perSecond: 3_000, burst: 20_000 },
    member: PER_MEMBER,
    reserve: { perSecond: 500, burst: 5_000 },
  },
  forwardedByPair: { perSecond: 200, burst: 1_000 },
  forwarded: {
    shared: { perSecond: 1_000, burst: 5_000 },
    member: PER_MEMBER,
    reserve: { perSecond: 250, burst: 1_000 },
  },
  nativeByClient: {
    shared: { perSecond: 500, burst: 5_000 },
    member: PER_MEMBER,
    reserve: { perSecond: 100, burst: 500 },
  },
  native: {
    shared: { perSecond: 1_000, burst: 5_000 },
    member: PER_MEMBER,
    reserve: { perSecond: 250, burst: 1_000 },
  },
};

/** The two kinds of work that the kernel path can share with the machine. */
export type SharedWork = 'answers' | 'forwarded';

/**
 * The limits for one of several parties that share the work: each gets a part, so that all together do not exceed the limits. Work that
 * only the machine does is not divided.
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

/** The burst is at least 1: with less, a bucket would never give a whole token. */
function bucketPart({ perSecond, burst }: BucketLimits, part: number): BucketLimits {
  return { perSecond: perSecond * part, burst: Math.max(burst * part, Math.min(burst, 1)) };
}

/** Octets of the largest ICMPv6 packet that is answered or forwarded: the tunnel's MTU. */
export const MAX_ICMPV6_BYTES = 1280;

/**
 * The cost, in tokens, of forwarding a packet or answering a ping: one for bubbles and connectivity tests, more for longer packets, so that
 * a sender cannot direct many octets to another host.
 */
export function forwardingCost(length: number): number {
  return Math.ceil(length / 128);
}
