import type { Entropy } from '../entropy.ts';
import { TokenBuckets } from '../token-buckets.ts';
import type { BucketLimits } from '../token-buckets.ts';
import { isTeredo, mappedAddressOf, readUint32 } from '../../wire/index.ts';

/** The most that a native /64, or the Teredo strangers at one IPv4 address, may take of what all share. */
const SITE = { perSecond: 2, burst: 10 };
/** The most that a native /48 may take of it: a site often has that many addresses. */
const NETWORK = { perSecond: 4, burst: 20 };
/** What each network, or IPv4 address, may cause besides, from the reserve. */
const MODEST = { perSecond: 0.5, burst: 4 };
const BUCKETS = 1_024;

/**
 * Tests and contacts that strangers cause. None of them gets all of it: a site and a network have shares of the common part,
 * and where many of them have spent that part there is a reserve of half as much, of which each network gets a little.
 */
export class StrangerBudget {
  private readonly all: TokenBuckets;
  private readonly reserve: TokenBuckets;
  private readonly bySite: TokenBuckets;
  private readonly byNetwork: TokenBuckets;
  private readonly modest: TokenBuckets;

  constructor(limits: BucketLimits, entropy: Entropy) {
    const { perSecond, burst } = limits;
    this.all = new TokenBuckets(limits, entropy, 1);
    this.reserve = new TokenBuckets({ perSecond: perSecond / 2, burst: burst / 2 }, entropy, 1);
    this.bySite = new TokenBuckets(SITE, entropy, BUCKETS);
    this.byNetwork = new TokenBuckets(NETWORK, entropy, BUCKETS);
    this.modest = new TokenBuckets(MODEST, entropy, BUCKETS);
  }

  /** Takes a token for the stranger whose IPv6 address is at an offset; false when it may cause nothing now. */
  take(b: Uint8Array, o: number, now: number): boolean {
    const teredo = isTeredo(b, o);
    const high = readUint32(b, o);
    const low = teredo ? mappedAddressOf(b, o) : readUint32(b, o + 4);
    const network = teredo ? low : (low & 0xffff0000) >>> 0;
    if (this.takeShare(high, low, network, now)) return true;
    return (
      this.modest.has(high, network, now) &&
      this.reserve.take(0, 0, now) &&
      this.modest.take(high, network, now)
    );
  }

  private takeShare(high: number, site: number, network: number, now: number): boolean {
    const { all, bySite, byNetwork } = this;
    if (!bySite.has(high, site, now) || !byNetwork.has(high, network, now) || !all.take(0, 0, now))
      return false;
    bySite.take(high, site, now);
    byNetwork.take(high, network, now);
    return true;
  }
}
