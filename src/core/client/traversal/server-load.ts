import { PEER_VALIDITY_MS } from '../../constants.ts';
import { TRUSTED } from '../../peer-table.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { Place } from '../place.ts';

/** RFC 6081 section 5.7.2: these solicitations go without the servers. The third, 4 s after the first, goes with a bubble through them. */
const ALONE = 2;

/**
 * Server Load Reduction (RFC 6081 section 5.7): a trusted peer with which nothing was exchanged for 30 s is asked directly whether it is still
 * there, and through its server only if it does not answer. Solicitations at 0, 2 and 4 s; an indirect bubble at 4 s.
 */
export class ServerLoadReduction {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  /** Peers that are asked directly now. */
  private readonly asked = new Set<number>();

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.bubbles = bubbles;
  }

  /** Sends the solicitation of this attempt, where one is due; whether it is enough. `nonceReceived`: the peer's nonce. E-110, E-111 */
  solicit(peer: number, nonceReceived: number, attempt: number, now: number): boolean {
    if (attempt === 1) {
      if (this.isIdle(peer, now)) this.asked.add(peer);
      else this.asked.delete(peer);
    }
    if (!this.asked.has(peer)) return false;
    const { peers } = this.context;
    const place = this.placeOf(peer);
    // Our NAT may have forgotten the mapping that the peer knows: the nonce still shows that the bubble is ours.
    const nonce = this.context.qualified!.symmetric ? nonceReceived : 0;
    const trailers = { nonce, neighborDiscovery: 'solicitation' } as const;
    this.bubbles.sendDirect(peers.address(peer), place, trailers, true, now);
    if (attempt <= ALONE) return true;
    this.asked.delete(peer);
    return false;
  }

  /** Answers a solicitation from where the peer is; advertisements are never answered. E-112, E-113 */
  advertise(peer: number, now: number): void {
    const { peers } = this.context;
    const trailers = { neighborDiscovery: 'advertisement' } as const;
    this.bubbles.reply(peers.address(peer), 0, this.placeOf(peer), now, trailers);
  }

  /** The peer is heard, or forgotten. */
  drop(peer: number): void {
    if (this.asked.size > 0) this.asked.delete(peer);
  }

  private placeOf(peer: number): Place {
    const { mappedAddress, mappedPort, socket } = this.context.peers;
    return { address: mappedAddress[peer]!, port: mappedPort[peer]!, socket: socket[peer]! };
  }

  /** Its place is known, and nothing was exchanged for so long that the place has to be confirmed. */
  private isIdle(peer: number, now: number): boolean {
    const { peers } = this.context;
    const last = Math.max(peers.lastReceived.at(peer), peers.lastSent.at(peer));
    return peers.status[peer] === TRUSTED && now - last >= PEER_VALIDITY_MS;
  }
}
