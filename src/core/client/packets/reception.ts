import type { Arrival } from '../../arrival.ts';
import { LOCAL_PEER_MEMORY_MS, RELAYED_ANSWER_HOP_LIMIT } from '../../constants.ts';
import { NO_PEER, TRUSTED } from '../../peer-table.ts';
import {
  DESTINATION,
  NEXT_HEADER,
  SOURCE,
  hopLimit,
  isBubble,
  isLinkLocal,
  isMulticast,
  isNoSource,
  isSiteOnly,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  nextHeader,
} from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ConnectivityTest } from '../ask/connectivity-test.ts';
import type { ClientContext } from '../context.ts';
import { Delivery } from './delivery.ts';
import { ForwardedReception } from './forwarded.ts';
import type { HeldPackets } from '../peers/held-packets.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import { SOCKET } from '../options.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';
import type { Place } from '../place.ts';

interface Parts {
  readonly bubbles: Bubbles;
  readonly contacts: PeerContacts;
  readonly discovery: LocalDiscovery;
  readonly held: HeldPackets;
  readonly test: ConnectivityTest;
  readonly traversal: Traversal;
}

/**
 * Datagrams that are no router advertisements. The first row that fits decides; {@link handleDatagram} has the same rows in the same order.
 * RFC 4380 section 5.2.3, RFC 6081 section 5.2.4
 *
 *     on another peer's socket          dropped: each socket but the service port belongs to one peer
 *     from the server, with an origin   a peer wants to reach us: a bubble goes to it, and a test if it is native
 *     case 1  trusted, from its place   accepted
 *     case 2  answers our test          trusted from now on, at the relay that brought the answer
 *     case 6  native                    delivered (or held back), but tested before anything is sent there
 *     case 3  from the mapped pair in   trusted from now on
 *             its Teredo address
 *     a bubble with the nonce of our    trusted from now on, at the place from which the bubble came
 *             indirect bubble
 *     usual second pair                 accepted: a trusted peer sends from there, where it has shown our nonce
 *     possible second pair              delivered: it has shown our nonce there once
 *     case 5  from the pair of its      delivered if its mapped address is ours; trusted there only with the nonce
 *             discovery bubble
 *     from our own meeting relay        trusted there, unless the peer is valid: the relay has verified it
 *     bubble from the server, without   as with an origin: servers may leave it out between clients
 *             origin
 *     anything else                     dropped: case 6 lets a client refuse, and no Teredo client sends from any other place
 *
 * Case 4, discovery bubbles, comes in on a socket of its own: local-discovery.ts.
 */
export class Reception {
  private readonly context: ClientContext;
  private readonly parts: Parts;
  private readonly delivery: Delivery;
  private readonly forwarded: ForwardedReception;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
    this.delivery = new Delivery(context, parts);
    this.forwarded = new ForwardedReception(context, { ...parts, delivery: this.delivery });
  }

  handleDatagram(arrival: Arrival): void {
    const { context } = this;
    const { peers } = context;
    const { socket, buffer: b, view, address, port } = arrival;
    const at = view.ipv6Start;
    if (!this.isForUs(b, at)) return;
    const source = at + SOURCE;
    const peer = (arrival.peer = peers.find(b, source));
    const fromServer = socket === SOCKET.service && context.isServer(address, port);
    if (socket !== SOCKET.service && !this.isOwner(arrival)) {
      context.counters.droppedForgedSource++;
    } else if (fromServer && view.hasOrigin) {
      this.forwarded.handleDatagram(arrival);
    } else if (
      peer !== NO_PEER &&
      peers.status[peer] === TRUSTED &&
      peers.mappedAddress[peer] === address &&
      peers.mappedPort[peer] === port &&
      peers.socket[peer] === socket
    ) {
      this.handleTrusted(arrival); // case 1, CL-45
    } else if (peer !== NO_PEER && this.isAnswer(arrival)) {
      this.handleAnswer(arrival); // case 2, CL-46
    } else if (!isTeredo(b, source)) {
      this.handleUnverified(arrival); // case 6, CL-50
    } else if (mappedAddressOf(b, source) === address && mappedPortOf(b, source) === port) {
      this.handleMapped(arrival); // case 3, CL-47
    } else if (peer !== NO_PEER && isBubble(b, at) && this.isProven(arrival)) {
      this.handleNonce(arrival); // E-27
    } else if (this.sendsFrom(arrival) === 'usually') {
      this.handleTrusted(arrival); // E-50
    } else if (this.sendsFrom(arrival) === 'perhaps') {
      this.handleSecondSource(arrival);
    } else if (peer !== NO_PEER && this.isLocalPair(arrival)) {
      this.handleLocal(arrival); // case 5, CL-49
    } else if (socket === SOCKET.service && this.context.isMeetingPoint(address, port)) {
      this.handleMet(arrival); // docs/adr/0017
    } else if (fromServer && isBubble(b, at)) {
      this.forwarded.handleDatagram(arrival);
    } else {
      context.counters.droppedForgedSource++;
    }
  }

  /** CL-41, CL-112, CL-8 */
  private isForUs(b: Uint8Array, at: number): boolean {
    const { context } = this;
    const { counters } = context;
    if (!context.isOwn(b, at + DESTINATION)) {
      if (isMulticast(b, at + DESTINATION)) counters.droppedUnicastDiscovery++;
      else counters.droppedForeignDestination++;
      return false;
    }
    const source = at + SOURCE;
    if (
      isNoSource(b, source) ||
      (isSiteOnly(b, source) && !context.policy.allowPrivate) ||
      context.isOwn(b, source) ||
      (isLinkLocal(b, source) && !isBubble(b, at))
    ) {
      counters.droppedInvalidSource++;
      return false;
    }
    return true;
  }

  /** Whether the socket belongs to this peer. */
  private isOwner({ socket, peer }: Arrival): boolean {
    return peer !== NO_PEER && this.parts.traversal.ownerOf(socket) === peer;
  }

  private handleTrusted(arrival: Arrival): void {
    const { contacts, test, traversal } = this.parts;
    const { buffer: b, view, trailers, peer, now } = arrival;
    contacts.heard(peer, now);
    const isPacket = !isBubble(b, view.ipv6Start);
    const sign = isPacket
      ? 'packet'
      : trailers.neighborDiscovery === 'advertisement'
        ? 'advertisement'
        : undefined;
    traversal.noteAtPlace(peer, this.context.peers.socket[peer], sign, now);
    if (!isPacket) traversal.hear(peer, b, trailers, this.context.peers.socket[peer], now);
    if (trailers.neighborDiscovery === 'solicitation' && isBubble(b, view.ipv6Start))
      traversal.advertise(peer, now);
    else if (isBubble(b, view.ipv6Start) && this.asksThroughRelay(arrival))
      traversal.confirm(peer, placeOf(arrival), false, now);
    if (nextHeader(b, view.ipv6Start) === NEXT_HEADER.ICMPV6 && test.isAnswer(peer, b, view.ipv6Start, now)) {
      test.close(peer);
      this.context.counters.consumedTestReplies++;
      return;
    }
    if (isPacket) this.context.silence.received(now);
    this.delivery.accept(arrival);
  }

  /** Whether the bubble of a peer that is reached via the user's own relay is a question: the relay passes on no trailers. */
  private asksThroughRelay({ socket, buffer, view, address, port }: Arrival): boolean {
    if (socket !== SOCKET.service || !this.context.isMeetingPoint(address, port)) return false;
    return hopLimit(buffer, view.ipv6Start) > RELAYED_ANSWER_HOP_LIMIT;
  }

  /** Whether it answers our test, from an address to which packets may be sent. C-9 */
  private isAnswer({ buffer, view, address, peer, now }: Arrival): boolean {
    const { parts, context } = this;
    return parts.test.isAnswer(peer, buffer, view.ipv6Start, now) && context.policy.isGlobalUnicast(address);
  }

  private handleAnswer({ address, port, peer, now }: Arrival): void {
    this.parts.test.close(peer);
    this.context.counters.consumedTestReplies++;
    this.parts.contacts.trust(peer, { address, port, socket: SOCKET.service }, false, now);
  }

  private handleUnverified(arrival: Arrival): void {
    if (isBubble(arrival.buffer, arrival.view.ipv6Start)) {
      this.context.counters.consumedBubbles++; // CL-44: nothing is sent to its source
      return;
    }
    this.delivery.provoke(arrival);
    this.delivery.deliverUnverified(arrival);
  }

  private handleMapped(arrival: Arrival): void {
    const { context } = this;
    const { peers } = context;
    const { peer, now } = arrival;
    if (!context.policy.isGlobalUnicast(arrival.address)) {
      context.counters.droppedForgedSource++; // C-7: no client has such a mapped address
    } else if (peer !== NO_PEER && this.isProven(arrival)) {
      this.handleNonce(arrival);
    } else if (this.sendsFrom(arrival) === 'perhaps') {
      this.handleSecondSource(arrival);
    } else if (peer !== NO_PEER && peers.isValid(peer, now)) {
      // The peer is reached elsewhere and heard there. A datagram without the nonce does not change that: any host can send one.
      this.delivery.accept(arrival);
    } else {
      this.handleProven(arrival, placeOf(arrival), false);
    }
  }

  /**
   * Whether a direct bubble shows the nonce of our indirect one, and comes from an address that the peer can have. A peer with a private address
   * is behind the same NAT as this client. C-9, E-95
   */
  private isProven({ buffer, trailers, address, peer }: Arrival): boolean {
    const { peers, policy, mapped } = this.context;
    if (!this.parts.traversal.proves(peer, buffer, trailers)) return false;
    if (policy.isGlobalUnicast(address)) return true;
    return policy.isUnicast(address) && mappedAddressOf(peers.address(peer), 0) === mapped?.address;
  }

  /** A valid peer stays where it is reached, until it is silent there. E-29, E-71 */
  private handleNonce(arrival: Arrival): void {
    const { contacts, traversal } = this.parts;
    const { socket, trailers, peer, now } = arrival;
    const isPreferred =
      this.movesToPrimary(arrival) ||
      (contacts.isUnderway(peer) && traversal.isSilentAtPlace(peer, socket, now));
    const target = traversal.moveTo(peer, placeOf(arrival), trailers, isPreferred, now);
    if (target === undefined) this.delivery.accept(arrival);
    else this.handleProven(arrival, { address: target.address, port: target.port, socket }, true);
  }

  /** Whether a peer with a socket of its own shows that it is reached by the service port: then that one is used. E-72 */
  private movesToPrimary({ socket, buffer, view, peer }: Arrival): boolean {
    const isElsewhere = this.context.peers.socket[peer] !== SOCKET.service;
    const isBack = socket === SOCKET.service && isElsewhere && isBubble(buffer, view.ipv6Start);
    return isBack && this.parts.traversal.mayReturn(peer);
  }

  /**
   * Whether a trusted peer has shown our nonce at this place, although it is sent to another one. Not for bubbles: a bubble may have more to say
   * and shows the nonce again.
   */
  private sendsFrom({
    socket,
    buffer,
    view,
    address,
    port,
    peer,
  }: Arrival): 'usually' | 'perhaps' | undefined {
    if (peer === NO_PEER || this.context.peers.status[peer] !== TRUSTED) return undefined;
    if (isBubble(buffer, view.ipv6Start)) return undefined;
    return this.parts.traversal.sendsFrom(peer, address, port, socket);
  }

  /** A packet that comes by another socket of this client shows that the peer hears us there. */
  private handleSecondSource(arrival: Arrival): void {
    const { contacts, traversal } = this.parts;
    const { socket, peer, now } = arrival;
    if (socket !== this.context.peers.socket[peer]) {
      contacts.trust(peer, placeOf(arrival), true, now);
      traversal.noteAtPlace(peer, socket, 'packet', now);
    }
    this.delivery.accept(arrival);
  }

  private isLocalPair({ address, port, peer, now }: Arrival): boolean {
    const { peers } = this.context;
    return (
      peers.localAddress[peer] === address &&
      peers.localPort[peer] === port &&
      now - peers.localSeen.at(peer) < LOCAL_PEER_MEMORY_MS
    );
  }

  /**
   * Any host on the link can announce any peer, and then send in its name. So a packet without the nonce proves nothing, and packets to the peer take
   * another way. A packet of a peer behind our own NAT is delivered, like the packets of native hosts that have not proven themselves.
   */
  private handleLocal(arrival: Arrival): void {
    const { counters, peers, mapped } = this.context;
    const { contacts } = this.parts;
    const { buffer: b, view, address, peer, now } = arrival;
    const isSameNat = mappedAddressOf(b, view.ipv6Start + SOURCE) === mapped?.address;
    if (!isSameNat && !peers.isValid(peer, now)) {
      counters.droppedForgedSource++;
      return;
    }
    if (!contacts.isKnown(peer)) contacts.noteStranger(b, view.ipv6Start, view.ipv6End, address, now);
    this.delivery.accept(arrival);
  }

  /** The user's own relay has verified that this is the peer. A direct path is not given up for that. */
  private handleMet(arrival: Arrival): void {
    const { peer, now } = arrival;
    if (peer !== NO_PEER && this.context.peers.isValid(peer, now)) this.delivery.accept(arrival);
    else this.handleProven(arrival, placeOf(arrival), false);
  }

  /** The peer has proven, `byNonce` or otherwise, that it is reached at this place. It is added if it is not known. */
  private handleProven(arrival: Arrival, place: Place, byNonce: boolean): void {
    const { contacts, traversal } = this.parts;
    const { buffer: b, view, now } = arrival;
    const source = view.ipv6Start + SOURCE;
    if (arrival.peer === NO_PEER) arrival.peer = this.context.peers.insert(b, source);
    const { peer } = arrival;
    const isQuestion = isBubble(b, view.ipv6Start);
    // If our NAT shows this peer another pair than our address says, the peer drops our packets until it has seen its nonce.
    const isFirst = isQuestion && traversal.needsNonce(peer) && this.isStranger(b, source, place);
    if (isFirst) traversal.confirm(peer, place, byNonce, now);
    const waited = contacts.trust(peer, place, byNonce, now);
    // A new peer to which no packet goes now does not know yet that its bubble has arrived. CL-51
    if (waited === 0 && isQuestion && !isFirst) traversal.confirm(peer, place, byNonce, now);
    this.delivery.accept(arrival);
  }

  /** Whether the peer may see us, or we see it, at another pair than the Teredo addresses say. */
  private isStranger(b: Uint8Array, source: number, { address, port }: Place): boolean {
    if (this.context.qualified!.symmetric) return true;
    return mappedAddressOf(b, source) !== address || mappedPortOf(b, source) !== port;
  }
}

/** A copy of the place from which a datagram came. */
function placeOf({ address, port, socket }: Arrival): Place {
  return { address, port, socket };
}
