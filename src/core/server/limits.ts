import type { BucketLimits } from '../token-buckets.ts';

/**
 * What a server gives any one address at the most. A carrier NAT with 10,000 clients on one address asks for some 400
 * advertisements a second, and for all of them at once after an outage: both pass.
 */
export interface ServerLimits {
  /** Answers to solicitations and pings, by the IPv4 address they go to. */
  readonly answers: BucketLimits;
  /** Bubbles and ICMPv6 forwarded to a Teredo client, by the IPv4 address they go to. */
  readonly forwarded: BucketLimits;
  /** Connectivity tests forwarded to native hosts, by the /64 they go to. */
  readonly native: BucketLimits;
}

export const SERVER_LIMITS: ServerLimits = {
  answers: { perSecond: 2_000, burst: 20_000 },
  forwarded: { perSecond: 1_000, burst: 5_000 },
  native: { perSecond: 1_000, burst: 5_000 },
};

/** The largest ICMPv6 packet that is forwarded: what fits into one packet of the tunnel's MTU. */
export const MAX_ICMPV6_BYTES = 1280;
