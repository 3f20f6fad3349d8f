import { CONTACT_LIMITS } from '../contacts.ts';
import type { ContactLimits } from '../contacts.ts';
import type { FairLimits } from '../fair-budget.ts';
import type { PeerLimits } from '../peer-table.ts';
import type { BucketLimits } from '../token-buckets.ts';

/**
 * The limits of a relay. An answered bubble gives its token back, and a little more: traffic that is answered costs nothing, and
 * unanswered traffic ends. The addition has its own limit, so that a host cannot earn many bubbles to other clients with answers
 * of its own ones. R-31
 */
export interface RelayLimits {
  readonly peers: PeerLimits;
  readonly contacts: ContactLimits;
  /** Packets that wait for the budget of their native /64. */
  readonly waiting: WaitingLimits;
  /**
   * Bubbles caused by a native /64; its members are hosts. Or by the IPv4 address of clients that reach others through this relay; its
   * members are ports. This limit is reached before `byServer`.
   */
  readonly bySource: FairLimits;
  /** Tokens that answers add to `bySource`. */
  readonly sourceEarnings: BucketLimits;
  /** Bubbles sent through one server address; its members are native /64s. */
  readonly byServer: FairLimits;
  /** Tokens that answers add to `byServer`. */
  readonly serverEarnings: BucketLimits;
  /** Direct bubbles to one mapped address. */
  readonly byClient: BucketLimits;
  /** Octets relayed between clients: from one IPv4 address, and in total. docs/adr/0017 */
  readonly meeting: BucketLimits;
  readonly meetings: BucketLimits;
  /** ICMPv6 errors to a native /64. R-27 */
  readonly errors: BucketLimits;
}

export interface WaitingLimits {
  /** For one native /64. */
  readonly packetsPerSource: number;
  readonly bytesPerSource: number;
  /** In total. */
  readonly packets: number;
  readonly bytes: number;
}

export const RELAY_LIMITS: RelayLimits = {
  peers: { trusted: 1 << 20, unverified: 1 << 16 },
  contacts: CONTACT_LIMITS,
  waiting: { packetsPerSource: 1_024, bytesPerSource: 1 << 20, packets: 8_192, bytes: 4 << 20 },
  bySource: {
    shared: { perSecond: 16, burst: 256, ceiling: 1_024 },
    member: { perSecond: 0.5, burst: 4 },
    reserve: { perSecond: 8, burst: 64 },
  },
  sourceEarnings: { perSecond: 64, burst: 768 },
  byServer: {
    shared: { perSecond: 100, burst: 1_000, ceiling: 4_000 },
    member: { perSecond: 0.5, burst: 4 },
    reserve: { perSecond: 50, burst: 500 },
  },
  serverEarnings: { perSecond: 400, burst: 3_000 },
  byClient: { perSecond: 10, burst: 100 },
  meeting: { perSecond: 125_000, burst: 250_000 },
  meetings: { perSecond: 1_250_000, burst: 2_500_000 },
  errors: { perSecond: 10, burst: 20 },
};
