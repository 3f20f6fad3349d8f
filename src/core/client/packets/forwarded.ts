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
import type { DatagramView, Trailers } from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { Delivery } from './delivery.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';
import { FORWARDED } from '../peers/stranger-budget.ts';

interface Parts {
  readonly bubbles: Bubbles;
  readonly contacts: PeerContacts;
  readonly delivery: Delivery;
  readonly discovery: LocalDiscovery;
  readonly traversal: Traversal;
}

/** What our server has forwarded: somebody would reach us whom our NAT may not let in yet. RFC 4380 section 5.2.3, RFC 6081 section 5.2.4.3 */
export class ForwardedReception {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  /**
   * Forwarded by our server: somebody whom our NAT may not let in yet. A bubble to where it is opens the way: to the
   * mapped pair of a Teredo client, to the origin of a relay. A-3, CL-43, CL-51
   */
  handleDatagram(
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    peer: number,
    now: number,
  ): void {
    const { context } = this;
    const { bubbles } = this.parts;
    const source = view.ipv6Start + SOURCE;
    const teredo = isTeredo(b, source);
    if (isBubble(b, view.ipv6Start)) {
      if (teredo && trailers.malformedAlternate) {
        context.counters.droppedTrailer++; // E-92
        return;
      }
      const address = teredo ? mappedAddressOf(b, source) : view.originAddress;
      const port = teredo ? mappedPortOf(b, source) : view.originPort;
      if (!context.policy.isGlobalUnicast(address) || port === 0) context.counters.suppressedBubbleReplies++;
      else if (teredo) this.handleIndirect(b, view, trailers, peer, now);
      else bubbles.reply(b, source, address, port, now);
      if (teredo) this.answerNeighbour(b, source, peer, now);
    }
    if (!teredo && !isLinkLocal(b, source))
      this.parts.delivery.provoke(b, source, peer, FORWARDED + view.originAddress, now);
    if (isBubble(b, view.ipv6Start)) context.counters.consumedBubbles++;
    else if (!teredo || this.isForwardedPing(b, view))
      this.parts.delivery.deliverUnverified(b, view, view.originAddress, view.originPort, now, FORWARDED);
    else context.counters.droppedForgedSource++;
  }

  /**
   * A Teredo client asks for bubbles. One whose NAT is symmetric can be answered only once it has an indirect bubble of ours: strangers get
   * one within the limit of what they cause. E-25, E-30
   */
  private handleIndirect(
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    known: number,
    now: number,
  ): void {
    const { context } = this;
    const { peers } = context;
    const { bubbles, contacts, traversal } = this.parts;
    const source = view.ipv6Start + SOURCE;
    if (known !== NO_PEER && !traversal.admits(known, trailers)) return;
    const isWanted = contacts.isWanted(known);
    const isExpected = isWanted || (known !== NO_PEER && traversal.echoedOurToken(known, trailers));
    if (!isExpected && !contacts.mayCause(b, source, FORWARDED, now)) {
      const nonce = trailers.nonce === undefined ? 0 : readUint32(b, trailers.nonce);
      bubbles.reply(b, source, mappedAddressOf(b, source), mappedPortOf(b, source), now, { nonce });
      return;
    }
    const peer = known === NO_PEER ? peers.insert(b, source) : known;
    const place = traversal.handleIndirect(peer, b, trailers, isWanted, now);
    if (place !== undefined) contacts.trust(peer, place.address, place.port, now, place.socket, true);
  }

  /** A server forwards clients' pings too, with the word of where they come from. A-19 */
  private isForwardedPing(b: Uint8Array, view: DatagramView): boolean {
    const source = view.ipv6Start + SOURCE;
    return (
      nextHeader(b, view.ipv6Start) === NEXT_HEADER.ICMPV6 &&
      mappedAddressOf(b, source) === view.originAddress &&
      mappedPortOf(b, source) === view.originPort
    );
  }

  /** Somebody behind our own NAT, which need not hairpin: perhaps on this link. */
  private answerNeighbour(b: Uint8Array, source: number, peer: number, now: number): void {
    const { peers, mapped } = this.context;
    const { bubbles, discovery } = this.parts;
    if (mappedAddressOf(b, source) !== mapped?.address) return;
    if (peer !== NO_PEER && now - peers.localSeen[peer] < LOCAL_PEER_MEMORY_MS) {
      bubbles.reply(b, source, peers.localAddress[peer], peers.localPort[peer], now);
    }
    discovery.announceSparingly(now);
  }
}
