import type { FairLimits } from '../fair-budget.ts';
import { bucketPart, fairPart } from '../limit-parts.ts';
import type { Indivisible } from '../limit-parts.ts';
import type { BucketLimits } from '../token-buckets.ts';

/**
 * The limits of a server for one address. They allow for a carrier NAT with 10,000 clients on one address: it needs some 400
 * advertisements a second while the clients are idle, 3,400 while all of them send and hear nothing (clients of this program then check
 * their mapping every 3 s, adr/0003), and two for each client at once after an outage.
 */
export interface ServerLimits {
  /** Answers to solicitations and pings, by destination IPv4 address; its members are ports. */
  readonly answers: FairLimits;
  /** Bubbles forwarded from one IPv4 address to another; its members are IPv6 sources, with the port that the bubble goes to. */
  readonly forwardedByPair: FairLimits;
  /** Bubbles forwarded to a Teredo client, by the IPv4 address they go to; its members are the addresses they come from. */
  readonly forwarded: FairLimits;
  /** ICMPv6 forwarded from one IPv4 address to another. It takes nothing of the budget of bubbles. */
  readonly forwardedIcmpByPair: BucketLimits;
  /** ICMPv6 forwarded to a Teredo client, by the IPv4 address it goes to; its members are the addresses it comes from. */
  readonly forwardedIcmp: FairLimits;
  /** Pings forwarded to native hosts, by source IPv4 address; its members are ports. */
  readonly nativeByClient: FairLimits;
  /** Pings forwarded to native hosts, by destination /64; its members are source IPv4 addresses. */
  readonly native: FairLimits;
}

/**
 * The most octets of trailers behind a bubble that the server forwards: more than MAX_TRAILER_BYTES, so that trailers which this program does not
 * know pass as well. S-27
 */
export const MAX_FORWARDED_TRAILER_BYTES = 64;

const PER_MEMBER: BucketLimits = { perSecond: 0.5, burst: 4 };

export const SERVER_LIMITS: ServerLimits = {
  answers: {
    shared: { perSecond: 3_000, burst: 20_000 },
    member: PER_MEMBER,
    reserve: { perSecond: 500, burst: 5_000 },
  },
  // Together 1,000, then 200/s from one address to another.
  forwardedByPair: {
    shared: { perSecond: 100, burst: 500 },
    member: PER_MEMBER,
    reserve: { perSecond: 60, burst: 300 },
  },
  forwardedIcmpByPair: { perSecond: 40, burst: 200 },
  // Together 6,000, then 1,250/s to one address.
  forwarded: {
    shared: { perSecond: 900, burst: 4_500 },
    member: PER_MEMBER,
    reserve: { perSecond: 225, burst: 900 },
  },
  forwardedIcmp: {
    shared: { perSecond: 100, burst: 500 },
    member: PER_MEMBER,
    reserve: { perSecond: 25, burst: 100 },
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
    forwardedByPair: fairPart(forwardedByPair, parts.forwarded),
  };
}

/**
 * The limits for one of several workers, each of which gets all datagrams of some source addresses. A limit by source is whole: a source always
 * meets the same worker. A limit by destination is divided, except what one source may take of it.
 */
export function workersPart(limits: ServerLimits, workers: number): ServerLimits {
  if (workers === 1) return limits;
  const { forwarded, forwardedIcmp, native } = limits;
  const divided = ({ shared, member, reserve }: FairLimits): FairLimits => ({
    shared: bucketPart(shared, 1 / workers),
    member,
    reserve: bucketPart(reserve, 1 / workers),
  });
  return {
    ...limits,
    forwarded: divided(forwarded),
    forwardedIcmp: divided(forwardedIcmp),
    native: divided(native),
  };
}

/**
 * A burst that is too small to be divided among the workers: with the part of one, it could never forward some packets. By its name, with the least that
 * could be; undefined: there is none. Zero is no burst, and stays so.
 */
export function indivisibleBurst(limits: ServerLimits, workers: number): Indivisible | undefined {
  if (workers === 1) return undefined;
  for (const name of ['forwarded', 'forwardedIcmp', 'native'] as const)
    for (const part of ['shared', 'reserve'] as const) {
      const { burst } = limits[name][part];
      const least = workers * LEAST_BURST[name];
      if (burst > 0 && burst < least) return { name: `${name}.${part}.burst`, value: burst, least };
    }
  return undefined;
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

/** A worker's burst: beside the kernel path it has a quarter of it, still a whole token for a bubble. ICMPv6 may be long, and the kernel forwards none. */
const LEAST_BURST = {
  forwarded: 4,
  forwardedIcmp: forwardingCost(MAX_ICMPV6_BYTES),
  native: forwardingCost(MAX_ICMPV6_BYTES),
} as const;
