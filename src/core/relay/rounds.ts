import { HashKey } from '../hash.ts';
import type { Requester } from '../payments.ts';
import type { RelayContext } from './context.ts';

/** Least time between two rounds of bubbles beyond the budget. */
const GRANT_SPACING_MS = 10_000;

/**
 * Whether a contact may begin with a peer that has not answered. RFC 4380 section 5.2.6 allows four rounds in 300 s. Any requester can use these up
 * while the client is away for a moment, and would then keep all others from it. So there is a round beyond the budget, one in 10 s for each peer,
 * where another network wants the peer than before, or where the client itself shows that it is there. R-33, D-4, D-28
 */
export class Rounds {
  private readonly context: RelayContext;
  private readonly networks: HashKey;

  constructor(context: RelayContext) {
    this.context = context;
    this.networks = new HashKey(context.entropy);
  }

  /** `isThere`: the client seems to have sent something just now. A grant is counted when it is used. */
  mayBegin(peer: number, requester: Requester, isThere: boolean, now: number): boolean {
    const { counters, hits, peers } = this.context;
    if (peers.hasBubbleBudget(peer, now)) return true;
    const isOther = peers.requestedBy[peer] !== this.networkOf(requester);
    if ((isThere || isOther) && now - peers.lastBubble.at(peer) >= GRANT_SPACING_MS) {
      peers.grantBubble(peer);
      return true;
    }
    counters.droppedBubbleBudget++;
    hits.ipv4('bubbles-to-peer', peers.mappedAddress[peer]);
    return false;
  }

  /** A contact with the peer begins for this requester. */
  note(peer: number, requester: Requester): void {
    this.context.peers.requestedBy[peer] = this.networkOf(requester);
  }

  /** 16 bits of a /64, or of the IPv4 address of a client that meets others: one of 65,536 others is taken for the same network. */
  private networkOf([high, low]: Requester): number {
    return this.networks.of2(high, low) & 0xffff;
  }
}
