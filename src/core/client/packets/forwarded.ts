import type { Arrival } from '../../arrival.ts';
import { LOCAL_PEER_MEMORY_MS } from '../../constants.ts';
import { NO_PEER } from '../../peer-table.ts';
import {
  NEXT_HEADER,
  SOURCE,
  isBubble,
  isLinkLocal,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  nextHeader,
  readUint32,
} from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { Delivery } from './delivery.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import { SOCKET } from '../options.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';
import { FORWARDED } from '../peers/stranger-budget.ts';

interface Parts {
  readonly bubbles: Bubbles;
  readonly contacts: PeerContacts;
  readonly delivery: Delivery;
  readonly discovery: LocalDiscovery;
  readonly traversal: Traversal;
}

/**
 * Datagrams that our server has forwarded: the sender wants to reach us, and our NAT may not let its datagrams in yet. RFC 4380 section 5.2.3,
 * RFC 6081 section 5.2.4.3
 */
export class ForwardedReception {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  /** A bubble to the sender opens our NAT for it: to the mapped pair of a Teredo client, to the origin of a relay. A-3, CL-43, CL-51 */
  handleDatagram(arrival: Arrival): void {
    const { context } = this;
    const { bubbles, delivery } = this.parts;
    const { buffer: b, view, now } = arrival;
    const source = view.ipv6Start + SOURCE;
    const teredo = isTeredo(b, source);
    if (isBubble(b, view.ipv6Start)) {
      if (teredo && arrival.trailers.malformedAlternate) {
        context.counters.droppedTrailer++; // E-92
        return;
      }
      const address = teredo ? mappedAddressOf(b, source) : view.originAddress;
      const port = teredo ? mappedPortOf(b, source) : view.originPort;
      if (!context.policy.isGlobalUnicast(address) || port === 0) context.counters.suppressedBubbleReplies++;
      else if (teredo) this.handleIndirect(arrival);
      else bubbles.reply(b, source, { address, port, socket: SOCKET.service }, now);
      if (teredo) this.answerNeighbour(arrival);
    }
    if (!teredo && !isLinkLocal(b, source)) delivery.provoke(arrival, true);
    if (isBubble(b, view.ipv6Start)) context.counters.consumedBubbles++;
    else if (!teredo || this.isForwardedPing(arrival)) delivery.deliverUnverified(arrival, true);
    else context.counters.droppedForgedSource++;
  }

  /**
   * A Teredo client asks for bubbles. If its NAT is symmetric, it needs an indirect bubble from us before it can be reached: strangers get one
   * within the limit of bubbles that they cause. E-25, E-30
   */
  private handleIndirect({ buffer: b, view, trailers, peer: known, now }: Arrival): void {
    const { peers } = this.context;
    const { bubbles, contacts, traversal } = this.parts;
    const source = view.ipv6Start + SOURCE;
    if (known !== NO_PEER && !traversal.admits(known, trailers)) return;
    const isWanted = contacts.isWanted(known);
    const isExpected = isWanted || (known !== NO_PEER && traversal.echoedOurToken(known, trailers));
    if (!isExpected && !contacts.mayCause(b, source, FORWARDED, now)) {
      const nonce = trailers.nonce === undefined ? 0 : readUint32(b, trailers.nonce);
      bubbles.reply(b, source, { ...bubbles.pairIn(b, source), socket: SOCKET.service }, now, { nonce });
      return;
    }
    const peer = known === NO_PEER ? peers.insert(b, source) : known;
    const place = traversal.handleIndirect(peer, b, trailers, isWanted, now);
    if (place !== undefined) contacts.trust(peer, place, true, now);
  }

  /** A server forwards pings of clients, too, with an origin indication that names the client. A-19 */
  private isForwardedPing({ buffer: b, view }: Arrival): boolean {
    const source = view.ipv6Start + SOURCE;
    return (
      nextHeader(b, view.ipv6Start) === NEXT_HEADER.ICMPV6 &&
      mappedAddressOf(b, source) === view.originAddress &&
      mappedPortOf(b, source) === view.originPort
    );
  }

  /** The sender may be behind our own NAT, which need not hairpin, and so perhaps on this link. */
  private answerNeighbour({ buffer: b, view, peer, now }: Arrival): void {
    const { peers, mapped } = this.context;
    const { bubbles, discovery } = this.parts;
    const source = view.ipv6Start + SOURCE;
    if (mappedAddressOf(b, source) !== mapped?.address) return;
    if (peer !== NO_PEER && now - peers.localSeen.at(peer) < LOCAL_PEER_MEMORY_MS) {
      const [address, port] = [peers.localAddress[peer], peers.localPort[peer]];
      bubbles.reply(b, source, { address, port, socket: SOCKET.service }, now);
    }
    discovery.announceSparingly(now);
  }
}
