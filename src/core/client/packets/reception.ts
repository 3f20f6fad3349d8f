import { LOCAL_PEER_MEMORY_MS } from '../../constants.ts';
import { NO_PEER, TRUSTED } from '../../peer-table.ts';
import {
  DESTINATION,
  NEXT_HEADER,
  SOURCE,
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
import type { DatagramView, Ipv4, Trailers } from '../../../wire/index.ts';
import type { Traversal } from '../traversal/index.ts';
import type { SocketId } from '../../socket-id.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ConnectivityTest } from '../ask/connectivity-test.ts';
import type { ClientContext } from '../context.ts';
import { Delivery } from './delivery.ts';
import { ForwardedReception } from './forwarded.ts';
import type { HeldPackets } from '../peers/held-packets.ts';
import type { LocalDiscovery } from '../ask/local-discovery.ts';
import { SOCKET } from '../options.ts';
import type { PeerContacts } from '../peers/peer-contacts.ts';

interface Parts {
  readonly bubbles: Bubbles;
  readonly contacts: PeerContacts;
  readonly discovery: LocalDiscovery;
  readonly held: HeldPackets;
  readonly test: ConnectivityTest;
  readonly traversal: Traversal;
}

/**
 * What is no router advertisement (RFC 4380 section 5.2.3, RFC 6081 section 5.2.4):
 *
 *     from the server, with an origin   somebody would reach us: bubble back to where it is, test if native
 *     case 1  trusted, from its pair    accepted
 *     case 2  answer to our test        trusted from now on, at the relay that brought it
 *     case 3  Teredo, from the pair     trusted from now on
 *             in its address
 *     a direct bubble with the nonce    trusted from now on, where it comes from
 *             of our indirect one
 *     case 5  Teredo, from where its    delivered, if its mapped address is ours; trusted there
 *             discovery bubble came     only with the nonce of our indirect bubble
 *     case 6  anything else             delivered (or held back), but tested before anything is sent there
 *
 * What comes in on a peer's own socket is that peer's.
 * (case 4, discovery bubbles, comes in on a socket of its own: local-discovery.ts)
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

  handleDatagram(
    socket: SocketId,
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { context } = this;
    const at = view.ipv6Start;
    if (!this.isForUs(b, at)) return;
    const source = at + SOURCE;
    const peer = context.peers.find(b, source);
    if (socket !== SOCKET.service && !this.isOwner(socket, peer)) {
      context.counters.droppedForgedSource++;
      return;
    }
    const { peers } = context;
    const fromServer = socket === SOCKET.service && context.isServer(address, port);
    if (fromServer && view.hasOrigin) {
      this.forwarded.handleDatagram(b, view, trailers, peer, now);
    } else if (
      peer !== NO_PEER &&
      peers.status[peer] === TRUSTED &&
      peers.mappedAddress[peer] === address &&
      peers.mappedPort[peer] === port &&
      peers.socket[peer] === socket
    ) {
      this.handleTrusted(b, view, trailers, peer, now); // case 1, CL-45
    } else if (peer !== NO_PEER && this.isAnswer(peer, b, at, address, now)) {
      this.parts.test.close(peer);
      context.counters.consumedTestReplies++;
      this.parts.contacts.trust(peer, address, port, now); // case 2, CL-46
    } else if (!isTeredo(b, source)) {
      this.handleUnverified(b, view, peer, address, port, now); // case 6, CL-50
    } else if (mappedAddressOf(b, source) === address && mappedPortOf(b, source) === port) {
      this.handleMapped(socket, b, view, trailers, peer, address, port, now); // case 3, CL-47
    } else if (peer !== NO_PEER && isBubble(b, at) && this.isProven(peer, b, trailers, address)) {
      this.handleNonce(socket, b, view, trailers, peer, address, port, now); // E-27
    } else if (this.sendsFrom(socket, b, at, peer, address, port) === 'usually') {
      this.handleTrusted(b, view, trailers, peer, now); // E-50
    } else if (this.sendsFrom(socket, b, at, peer, address, port) === 'perhaps') {
      this.handleSecondSource(socket, b, view, peer, address, port, now);
    } else if (peer !== NO_PEER && this.isLocalPair(peer, address, port, now)) {
      this.handleLocal(b, view, peer, address, now); // case 5, CL-49
    } else if (this.parts.traversal.isMeetingPoint(address, port) && socket === SOCKET.service) {
      this.handleMet(b, view, peer, address, port, now); // docs/adr/0017
    } else if (fromServer && isBubble(b, at)) {
      this.forwarded.handleDatagram(b, view, trailers, peer, now); // servers may leave out the origin between clients
    } else {
      // Case 6 lets a client refuse: no Teredo client sends from any other place.
      context.counters.droppedForgedSource++;
    }
  }

  /** From where the peer has shown our nonce, too. What it sends by another socket of ours shows that it hears us there. */
  private handleSecondSource(
    socket: SocketId,
    b: Uint8Array,
    view: DatagramView,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { contacts, traversal } = this.parts;
    if (socket !== this.context.peers.socket[peer]) {
      contacts.trust(peer, address, port, now, socket, true);
      traversal.noteAtPlace(peer, socket, true, now);
    }
    this.delivery.accept(b, view);
  }

  /** Where a trusted peer has shown our nonce from, though it is sent to another pair. A bubble may have more to say: it shows it again. */
  private sendsFrom(
    socket: SocketId,
    b: Uint8Array,
    at: number,
    peer: number,
    address: Ipv4,
    port: number,
  ): 'usually' | 'perhaps' | undefined {
    if (peer === NO_PEER || this.context.peers.status[peer] !== TRUSTED || isBubble(b, at)) return undefined;
    return this.parts.traversal.sendsFrom(peer, address, port, socket);
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

  /** Answers our test, from where something may be sent. C-9 */
  private isAnswer(peer: number, b: Uint8Array, at: number, address: Ipv4, now: number): boolean {
    return this.parts.test.isAnswer(peer, b, at, now) && this.context.policy.isGlobalUnicast(address);
  }

  private handleTrusted(
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    peer: number,
    now: number,
  ): void {
    const { contacts, test, traversal } = this.parts;
    contacts.heard(peer, now);
    const isAnswer = !isBubble(b, view.ipv6Start) || trailers.neighborDiscovery === 'advertisement';
    traversal.noteAtPlace(peer, this.context.peers.socket[peer], isAnswer, now);
    if (isBubble(b, view.ipv6Start)) traversal.hear(peer, b, trailers, this.context.peers.socket[peer], now);
    if (trailers.neighborDiscovery === 'solicitation' && isBubble(b, view.ipv6Start))
      traversal.advertise(peer, now);
    if (nextHeader(b, view.ipv6Start) === NEXT_HEADER.ICMPV6 && test.isAnswer(peer, b, view.ipv6Start, now)) {
      test.close(peer);
      this.context.counters.consumedTestReplies++;
      return;
    }
    this.delivery.accept(b, view);
  }

  private handleUnverified(
    b: Uint8Array,
    view: DatagramView,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    if (isBubble(b, view.ipv6Start)) {
      this.context.counters.consumedBubbles++; // CL-44: whatever it says, nothing is sent there
      return;
    }
    this.delivery.provoke(b, view.ipv6Start + SOURCE, peer, address, now);
    this.delivery.deliverUnverified(b, view, address, port, now);
  }

  /** Whether a socket is this peer's. */
  private isOwner(socket: SocketId, peer: number): boolean {
    return peer !== NO_PEER && this.parts.traversal.ownerOf(socket) === peer;
  }

  /**
   * Whether a direct bubble shows the nonce of our indirect one, from where the peer can be: only who shares our NAT has a private
   * address. C-9, E-95
   */
  private isProven(peer: number, b: Uint8Array, trailers: Readonly<Trailers>, address: Ipv4): boolean {
    const { peers, policy, mapped } = this.context;
    if (!this.parts.traversal.proves(peer, b, trailers)) return false;
    if (policy.isGlobalUnicast(address)) return true;
    return policy.isUnicast(address) && mappedAddressOf(peers.address(peer), 0) === mapped?.address;
  }

  /** E-29, E-71: a valid peer stays where it is reached, until it is silent there. */
  private handleNonce(
    socket: SocketId,
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { contacts, traversal } = this.parts;
    const isPreferred =
      this.movesToPrimary(socket, peer, b, view) ||
      (contacts.isUnderway(peer) && traversal.isSilentAtPlace(peer, socket, now));
    const target = traversal.moveTo(peer, { address, port, socket }, trailers, isPreferred, now);
    if (target === undefined) this.delivery.accept(b, view);
    else this.handleProven(b, view, peer, target.address, target.port, now, socket, true);
  }

  /** A peer that has a socket of its own shows that it is reached by the service port: which is the better one. E-72 */
  private movesToPrimary(socket: SocketId, peer: number, b: Uint8Array, view: DatagramView): boolean {
    const isElsewhere = this.context.peers.socket[peer] !== SOCKET.service;
    const isBack = socket === SOCKET.service && isElsewhere && isBubble(b, view.ipv6Start);
    return isBack && this.parts.traversal.mayReturn(peer);
  }

  private handleMapped(
    socket: SocketId,
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    known: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { context } = this;
    const { peers } = context;
    if (!context.policy.isGlobalUnicast(address)) {
      context.counters.droppedForgedSource++; // C-7: no such address can be
    } else if (known !== NO_PEER && this.isProven(known, b, trailers, address)) {
      this.handleNonce(socket, b, view, trailers, known, address, port, now);
    } else if (this.sendsFrom(socket, b, view.ipv6Start, known, address, port) === 'perhaps') {
      this.handleSecondSource(socket, b, view, known, address, port, now);
    } else if (known !== NO_PEER && peers.isValid(known, now)) {
      // It is reached elsewhere and heard there: a datagram without the nonce, which anybody can send, does not undo that.
      this.delivery.accept(b, view);
    } else {
      const peer = known === NO_PEER ? peers.insert(b, view.ipv6Start + SOURCE) : known;
      this.handleProven(b, view, peer, address, port, now, socket);
    }
  }

  /**
   * Anybody on the link can announce any peer, and answer there in its name. So what comes without the nonce is no proof: packets to the peer take
   * another way. What comes from who shares our NAT is delivered, as what comes from native hosts that have not proven themselves.
   */
  private handleLocal(b: Uint8Array, view: DatagramView, peer: number, address: Ipv4, now: number): void {
    const { counters, peers, mapped } = this.context;
    const { contacts } = this.parts;
    const isSameNat = mappedAddressOf(b, view.ipv6Start + SOURCE) === mapped?.address;
    if (!isSameNat && !peers.isValid(peer, now)) {
      counters.droppedForgedSource++;
      return;
    }
    if (!contacts.isKnown(peer)) contacts.noteStranger(b, view.ipv6Start, view.ipv6End, address, now);
    this.delivery.accept(b, view);
  }

  private handleProven(
    b: Uint8Array,
    view: DatagramView,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
    socket: SocketId = SOCKET.service,
    byNonce = false,
  ): void {
    const { contacts, traversal } = this.parts;
    const isQuestion = isBubble(b, view.ipv6Start);
    // Whom our NAT shows another pair than our address says takes nothing from there until it has seen the nonce.
    const isFirst =
      isQuestion && traversal.needsNonce(peer) && this.isStranger(b, view.ipv6Start + SOURCE, address, port);
    const confirm = (): void => traversal.confirm(peer, { address, port, socket }, byNonce, now);
    if (isFirst) confirm();
    const waited = contacts.trust(peer, address, port, now, socket, byNonce);
    // Somebody new who has had no packet in return does not know yet that its bubble has arrived. CL-51
    if (waited === 0 && isQuestion && !isFirst) confirm();
    this.delivery.accept(b, view);
  }

  /** Whether the peer may see us, or we see it, elsewhere than our addresses say. */
  private isStranger(b: Uint8Array, source: number, address: Ipv4, port: number): boolean {
    if (this.context.qualified!.symmetric) return true;
    return mappedAddressOf(b, source) !== address || mappedPortOf(b, source) !== port;
  }

  /** A peer has come by way of our own relay, which has seen to it that it is that peer. A direct way is not given up for that. */
  private handleMet(
    b: Uint8Array,
    view: DatagramView,
    known: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { peers } = this.context;
    if (known !== NO_PEER && peers.isValid(known, now)) this.delivery.accept(b, view);
    else {
      const peer = known === NO_PEER ? peers.insert(b, view.ipv6Start + SOURCE) : known;
      this.handleProven(b, view, peer, address, port, now);
    }
  }

  private isLocalPair(peer: number, address: Ipv4, port: number, now: number): boolean {
    const { peers } = this.context;
    return (
      peers.localAddress[peer] === address &&
      peers.localPort[peer] === port &&
      now - peers.localSeen[peer] < LOCAL_PEER_MEMORY_MS
    );
  }
}
