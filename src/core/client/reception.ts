import { LOCAL_PEER_MEMORY_MS } from '../constants.ts';
import { NO_PEER, TRUSTED } from '../peer-table.ts';
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
  readUint32,
} from '../../wire/index.ts';
import type { DatagramView, Ipv4, Trailers } from '../../wire/index.ts';
import type { Traversal } from '../nat/traversal.ts';
import type { SocketId } from '../socket-id.ts';
import type { Bubbles } from './bubbles.ts';
import type { ConnectivityTest } from './connectivity-test.ts';
import type { ClientContext } from './context.ts';
import type { HeldPackets } from './held-packets.ts';
import type { LocalDiscovery } from './local-discovery.ts';
import { SOCKET } from './options.ts';
import type { PeerContacts } from './peer-contacts.ts';

interface Means {
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
 *     case 5  Teredo, from where its    trusted from now on, on the link
 *             discovery bubble came
 *     case 6  anything else             delivered (or held back), but tested before anything is sent there
 *
 * What comes in on a peer's own socket is that peer's.
 * (case 4, discovery bubbles, comes in on a socket of its own: local-discovery.ts)
 */
export class Reception {
  private readonly context: ClientContext;
  private readonly means: Means;

  constructor(context: ClientContext, means: Means) {
    this.context = context;
    this.means = means;
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
      this.handleForwarded(b, view, trailers, peer, now);
    } else if (
      peer !== NO_PEER &&
      peers.status[peer] === TRUSTED &&
      peers.mappedAddress[peer] === address &&
      peers.mappedPort[peer] === port &&
      peers.socket[peer] === socket
    ) {
      this.handleTrusted(b, view, trailers, peer, now); // case 1, CL-45
    } else if (peer !== NO_PEER && this.isAnswer(peer, b, at, address, now)) {
      this.means.test.close(peer);
      context.counters.consumedTestReplies++;
      this.means.contacts.trust(peer, address, port, now); // case 2, CL-46
    } else if (!isTeredo(b, source)) {
      this.handleUnverified(b, view, peer, address, port, now); // case 6, CL-50
    } else if (mappedAddressOf(b, source) === address && mappedPortOf(b, source) === port) {
      this.handleMapped(socket, b, view, trailers, peer, address, port, now); // case 3, CL-47
    } else if (peer !== NO_PEER && isBubble(b, at) && this.isProven(peer, b, trailers, address)) {
      this.handleNonce(socket, b, view, trailers, peer, address, port, now); // E-27
    } else if (this.sendsFrom(socket, b, at, peer, address, port) === 'usually') {
      this.handleTrusted(b, view, trailers, peer, now); // E-50
    } else if (this.sendsFrom(socket, b, at, peer, address, port) === 'perhaps') {
      this.handleAlso(socket, b, view, peer, address, port, now);
    } else if (peer !== NO_PEER && this.isLocalPair(peer, address, port, now)) {
      this.handleLocal(b, view, peer, address, port, now); // case 5, CL-49
    } else if (this.means.traversal.isMeetingPoint(address, port) && socket === SOCKET.service) {
      this.handleMet(b, view, peer, address, port, now); // docs/adr/0017
    } else if (fromServer && isBubble(b, at)) {
      this.handleForwarded(b, view, trailers, peer, now); // servers may leave out the origin between clients
    } else {
      // Case 6 lets a client refuse: no Teredo client sends from any other place.
      context.counters.droppedForgedSource++;
    }
  }

  /** From where the peer has shown our nonce, too. What it sends by another socket of ours shows that it hears us there. */
  private handleAlso(
    socket: SocketId,
    b: Uint8Array,
    view: DatagramView,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { contacts, traversal } = this.means;
    if (socket !== this.context.peers.socket[peer]) {
      contacts.trust(peer, address, port, now, socket, true);
      traversal.noteAtPlace(peer, socket, true, now);
    }
    this.accept(b, view);
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
    return this.means.traversal.gateways.sendsFrom(peer, address, port, socket);
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
    return this.means.test.isAnswer(peer, b, at, now) && this.context.policy.isGlobalUnicast(address);
  }

  private handleTrusted(
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    peer: number,
    now: number,
  ): void {
    const { contacts, test, traversal } = this.means;
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
    this.accept(b, view);
  }

  /**
   * Forwarded by our server: somebody whom our NAT may not let in yet. A bubble to where it is opens the way: to the
   * mapped pair of a Teredo client, to the origin of a relay. A-3, CL-43, CL-51
   */
  private handleForwarded(
    b: Uint8Array,
    view: DatagramView,
    trailers: Readonly<Trailers>,
    peer: number,
    now: number,
  ): void {
    const { context } = this;
    const { bubbles } = this.means;
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
      else if (teredo) this.handleIndirect(b, source, trailers, peer, now);
      else bubbles.reply(b, source, address, port, now);
      if (teredo) this.answerNeighbour(b, source, peer, now);
    }
    if (!teredo && !isLinkLocal(b, source)) this.provoke(b, source, peer, now);
    if (isBubble(b, view.ipv6Start)) context.counters.consumedBubbles++;
    else if (!teredo || this.isForwardedPing(b, view))
      this.deliverUnverified(b, view, view.originAddress, view.originPort, now);
    else context.counters.droppedForgedSource++;
  }

  /**
   * A Teredo client asks for bubbles. One whose NAT is symmetric can be answered only once it has an indirect bubble of ours: strangers get
   * one within the limit of what they cause. E-25, E-30
   */
  private handleIndirect(
    b: Uint8Array,
    source: number,
    trailers: Readonly<Trailers>,
    known: number,
    now: number,
  ): void {
    const { context } = this;
    const { peers } = context;
    const { bubbles, contacts, traversal } = this.means;
    if (known !== NO_PEER && !traversal.admits(known, trailers)) return;
    const isWanted = contacts.isWanted(known);
    const isExpected = isWanted || (known !== NO_PEER && traversal.knowsUs(known, trailers));
    if (!isExpected && !contacts.mayAnswerStranger(mappedAddressOf(b, source), now)) {
      const nonce = trailers.nonce === undefined ? 0 : readUint32(b, trailers.nonce);
      bubbles.reply(b, source, mappedAddressOf(b, source), mappedPortOf(b, source), now, { nonce });
      return;
    }
    const peer = known === NO_PEER ? peers.insert(b, source) : known;
    traversal.handleIndirect(peer, b, trailers, isWanted, now);
    const shown = traversal.takeShown(peer, now);
    if (shown !== undefined && !traversal.isReached(peer, now)) {
      const place = traversal.gateways.placeFor(peer, shown.address, shown.port, shown.socket);
      traversal.gateways.noteAlso(peer, shown.address, shown.port, shown.socket, true);
      traversal.confirm(peer, place.address, place.port, shown.socket, now);
      contacts.trust(peer, place.address, place.port, now, shown.socket, true);
      return;
    }
    if (traversal.isReached(peer, now) || !peers.mayBubble(peer, now)) return;
    peers.countBubble(peer, now);
    traversal.requestIndirect(peer, peers.address(peer), isWanted, now);
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
    const { bubbles, discovery } = this.means;
    if (mappedAddressOf(b, source) !== mapped?.address) return;
    if (peer !== NO_PEER && now - peers.localSeen[peer] < LOCAL_PEER_MEMORY_MS) {
      bubbles.reply(b, source, peers.localAddress[peer], peers.localPort[peer], now);
    }
    discovery.announceSparingly(now);
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
    this.provoke(b, view.ipv6Start + SOURCE, peer, now);
    this.deliverUnverified(b, view, address, port, now);
  }

  /** Tests a native source that has not proven itself, or speaks from elsewhere. CL-124 */
  private provoke(b: Uint8Array, source: number, known: number, now: number): void {
    const { context } = this;
    const { contacts } = this.means;
    if (known !== NO_PEER && context.peers.status[known] === TRUSTED) {
      contacts.question(known, now); // CL-53
      return;
    }
    if (known !== NO_PEER && contacts.isUnderway(known)) return;
    if (contacts.mayTestUnsolicited(now)) contacts.begin(context.providePeer(b, source), now);
  }

  /** Whether a socket is this peer's. */
  private isOwner(socket: SocketId, peer: number): boolean {
    return peer !== NO_PEER && this.means.traversal.ownerOf(socket) === peer;
  }

  /**
   * Whether a direct bubble shows the nonce of our indirect one, from where the peer can be: only who shares our NAT has a private
   * address. C-9, E-95
   */
  private isProven(peer: number, b: Uint8Array, trailers: Readonly<Trailers>, address: Ipv4): boolean {
    const { peers, policy, mapped } = this.context;
    if (!this.means.traversal.proves(peer, b, trailers)) return false;
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
    const { peers } = this.context;
    const { contacts, traversal } = this.means;
    const { gateways } = traversal;
    if (!traversal.isMutual(peer, socket, port, trailers)) {
      this.accept(b, view);
      return;
    }
    const isReached = traversal.isReached(peer, now);
    const isBetter =
      this.movesToPrimary(socket, peer, b, view) ||
      gateways.prefers(peer, address, port, socket) ||
      // The socket that was opened for the peer is the better way while nothing shows that it hears us otherwise.
      (socket !== SOCKET.service && traversal.hasAnother(peer)) ||
      (contacts.isUnderway(peer) && traversal.isSilentAtPlace(peer, socket, now));
    if ((isReached && !isBetter) || !traversal.mayTrust(peer, address, port, socket, now)) {
      // It may come from there, too: by another socket it may be the one way that it hears us.
      if (isReached && gateways.noteAlso(peer, address, port, socket) && socket !== peers.socket[peer])
        traversal.confirmShown(peer, address, port, socket, now);
      this.accept(b, view);
      return;
    }
    const place = gateways.placeFor(peer, address, port, socket);
    if (place.address !== address || place.port !== port)
      gateways.noteAlso(peer, address, port, socket, true);
    else if (isReached)
      gateways.noteAlso(peer, peers.mappedAddress[peer], peers.mappedPort[peer], peers.socket[peer]);
    this.handleProven(b, view, peer, place.address, place.port, now, socket, true);
  }

  /** A peer that has a socket of its own shows that it is reached by the service port: which is the better one. E-72 */
  private movesToPrimary(socket: SocketId, peer: number, b: Uint8Array, view: DatagramView): boolean {
    const isElsewhere = this.context.peers.socket[peer] !== SOCKET.service;
    const isBack = socket === SOCKET.service && isElsewhere && isBubble(b, view.ipv6Start);
    return isBack && this.means.traversal.mayReturn(peer);
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
      this.handleAlso(socket, b, view, known, address, port, now);
    } else if (known !== NO_PEER && peers.isValid(known, now)) {
      // It is reached elsewhere and heard there: a datagram without the nonce, which anybody can send, does not undo that.
      this.accept(b, view);
    } else {
      const peer = known === NO_PEER ? peers.insert(b, view.ipv6Start + SOURCE) : known;
      this.handleProven(b, view, peer, address, port, now, socket);
    }
  }

  /** Only a peer behind our own NAT is moved to the link while another way to it works: the rest may be an imposter. */
  private handleLocal(
    b: Uint8Array,
    view: DatagramView,
    peer: number,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { peers, mapped } = this.context;
    const sameNat = mappedAddressOf(b, view.ipv6Start + SOURCE) === mapped?.address;
    if (sameNat || !peers.isValid(peer, now)) this.handleProven(b, view, peer, address, port, now);
    else this.accept(b, view);
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
    const { contacts, traversal } = this.means;
    const isQuestion = isBubble(b, view.ipv6Start);
    // Whom our NAT shows another pair than our address says takes nothing from there until it has seen the nonce.
    const isFirst =
      isQuestion && traversal.needsNonce(peer) && this.isStranger(b, view.ipv6Start + SOURCE, address, port);
    const confirm = (): void => {
      if (byNonce) traversal.confirmShown(peer, address, port, socket, now);
      else traversal.confirm(peer, address, port, socket, now);
    };
    if (isFirst) confirm();
    const waited = contacts.trust(peer, address, port, now, socket, byNonce);
    // Somebody new who has had no packet in return does not know yet that its bubble has arrived. CL-51
    if (waited === 0 && isQuestion && !isFirst) confirm();
    this.accept(b, view);
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
    if (known !== NO_PEER && peers.isValid(known, now)) this.accept(b, view);
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

  private accept(b: Uint8Array, view: DatagramView): void {
    const { counters, commands } = this.context;
    if (isBubble(b, view.ipv6Start)) {
      counters.consumedBubbles++; // CL-52
      return;
    }
    counters.deliveredPackets++;
    commands.deliver(b, view.ipv6Start, view.ipv6End);
  }

  /** A packet that its sender's relay at this pair has sent. A-25 */
  private deliverUnverified(
    b: Uint8Array,
    view: DatagramView,
    address: Ipv4,
    port: number,
    now: number,
  ): void {
    const { counters, options, peers } = this.context;
    const source = view.ipv6Start + SOURCE;
    const peer = peers.find(b, source);
    if (options.strictUnverified !== true) {
      // Whom packets of ours wait for is no stranger.
      if (!this.means.contacts.isKnown(peer)) this.means.contacts.noteStranger(b, source, now);
      this.accept(b, view);
      return;
    }
    if (peer !== NO_PEER && this.means.test.isOpen(peer, now)) {
      this.means.held.hold(peer, b, view.ipv6Start, view.ipv6End, address, port, now);
    } else counters.droppedUnverified++;
  }
}
