import { timesOf } from '../../payments.ts';
import type { PaidFrom, Payment } from '../../payments.ts';
import type { Entropy } from '../../entropy.ts';
import { FairShares } from '../../fair-shares.ts';
import { HashKey } from '../../hash.ts';
import { derivedLimits } from '../../live-limits.ts';
import { TokenBuckets } from '../../token-buckets.ts';
import type { BucketLimits } from '../../token-buckets.ts';
import { isTeredo, mappedAddressOf, readUint32 } from '../../../wire/index.ts';

/**
 * Added to the IPv4 address from which a stranger was heard, if only our server names that address. A sender that forges the server's packets can
 * name any address: it takes nothing from senders that are heard from that address.
 */
export const FORWARDED = 2 ** 32;

/**
 * Of relays that are heard, that the server tells of, and of all Teredo clients; of each relay; of native /32s, /48s, /64s, or IPv4 /16s, /24s,
 * addresses.
 */
const WEIGHTS = [8, 2, 8, 2, 8];
/** The most that a /64 of a relay, or a mapped IPv4 address, may cause; and a /48 or IPv4 /24: a site often has that many addresses. */
const SITE = { perSecond: 2, burst: 10 };
const NETWORK = { perSecond: 4, burst: 20 };
const BUCKETS = 1_024;
/** The part of an answered token that no longer counts: few heavy senders answer. */
const ANSWERED = 0.9;
/**
 * Trusted peers that may have moved have this many times the limit of strangers in addition: at a change of relays all of them may be heard at once.
 */
const MOVED_TIMES = 4;
/** Of each relay; of native /32s, /48s, /64s. */
const MOVED_WEIGHTS = [8, 2, 8, 8];
/** The most that is tested of one peer: each answer ends a silence, so that the next datagram in the peer's name would cause the next test. */
const MOVED_PEER = { perSecond: 0.5, burst: 4 };
const KINDS = { heard: 0, forwarded: 1, teredo: 2 };

/**
 * Tests and contacts that strangers cause. Each relay has a share, and in it each network, so that a network that has had nothing lately is served.
 * Any sender that reaches this client can forge native sources. Example: packets in the name of an address that come from one relay take nothing
 * from the share of that address at another relay.
 */
export class StrangerBudget {
  private readonly caused: FairShares;
  private readonly answers: FairShares;
  private readonly moved: FairShares;
  private readonly byMovedPeer: TokenBuckets;
  private readonly bySite: TokenBuckets;
  private readonly byNetwork: TokenBuckets;
  private readonly hash: HashKey;

  /** Answers have half as much in addition, at least one token if the limit is not 0. Peers that may have moved have four times as much. */
  constructor(limits: BucketLimits, entropy: Entropy) {
    this.caused = new FairShares(limits, WEIGHTS, entropy);
    const half = derivedLimits(limits, ({ perSecond, burst }) => ({
      perSecond: perSecond / 2,
      burst: Math.min(burst, Math.max(1, burst / 2)),
    }));
    this.answers = new FairShares(half, WEIGHTS.slice(2), entropy);
    const times = derivedLimits(limits, ({ perSecond, burst }) => ({
      perSecond: MOVED_TIMES * perSecond,
      burst: MOVED_TIMES * burst,
    }));
    this.moved = new FairShares(times, MOVED_WEIGHTS, entropy);
    this.byMovedPeer = new TokenBuckets(MOVED_PEER, entropy, BUCKETS);
    this.bySite = new TokenBuckets(SITE, entropy, BUCKETS);
    this.byNetwork = new TokenBuckets(NETWORK, entropy, BUCKETS);
    this.hash = new HashKey(entropy);
  }

  /**
   * Takes a token for the stranger whose IPv6 address is at an offset; false: it may cause nothing now. `via`: the IPv4 address from which it
   * was heard, with {@link FORWARDED} if only our server names it.
   */
  take(b: Uint8Array, o: number, via: number, now: number): boolean {
    const path = pathOf(b, o, via);
    const [kind, way, largest, network, site] = path;
    const high = this.hash.of4(kind, way, largest, 0);
    const low = this.hash.of4(kind, way, largest, network);
    const isLeft = this.bySite.has(low, site, now) && this.byNetwork.has(high, network, now);
    if (!isLeft || !this.caused.take(0, path, now)) return false;
    this.bySite.take(low, site, now);
    this.byNetwork.take(high, network, now);
    return true;
  }

  /** The contact that the stranger has caused was answered: its tokens count less in the budgets that paid them. */
  noteAnswered(b: Uint8Array, o: number, via: number, paid: readonly Payment[], now: number): void {
    this.caused.forgive(0, pathOf(b, o, via), timesOf(paid, 'shared'), now, ANSWERED);
    this.answers.forgive(0, networksOf(b, o), timesOf(paid, 'reserve'), now, ANSWERED);
  }

  /**
   * The same for a packet of this host that may answer a stranger. Others may have forged the destination's name and used up its share, so there is
   * a second budget by destinations alone. Returns the budget that paid; undefined: neither.
   */
  takeAnswer(b: Uint8Array, o: number, via: number, now: number): PaidFrom | undefined {
    if (this.take(b, o, via, now)) return 'shared';
    return this.answers.take(0, networksOf(b, o), now) ? 'reserve' : undefined;
  }

  /** The same for a trusted native peer that this host sends to and that is heard from another relay. Strangers take nothing from this budget. */
  takeMoved(b: Uint8Array, o: number, via: number, now: number): boolean {
    const key = this.hash.of4(
      readUint32(b, o),
      readUint32(b, o + 4),
      readUint32(b, o + 8),
      readUint32(b, o + 12),
    );
    if (!this.byMovedPeer.has(0, key, now)) return false;
    if (!this.moved.take(0, [via, ...networksOf(b, o)], now)) return false;
    return this.byMovedPeer.take(0, key, now);
  }
}

function pathOf(b: Uint8Array, o: number, via: number): [number, number, number, number, number] {
  if (isTeredo(b, o)) return [KINDS.teredo, 0, ...networksOf(b, o)];
  return [via >= FORWARDED ? KINDS.forwarded : KINDS.heard, via, ...networksOf(b, o)];
}

/** Networks of the address at an offset, the larger ones first. */
function networksOf(b: Uint8Array, o: number): [number, number, number] {
  if (!isTeredo(b, o)) {
    const low = readUint32(b, o + 4);
    return [readUint32(b, o), low & 0xffff0000, low];
  }
  const mapped = mappedAddressOf(b, o);
  return [mapped & 0xffff0000, mapped & 0xffffff00, mapped];
}
