import { BUBBLE_SPACING_MS, CONTACT_ATTEMPTS, PEER_VALIDITY_MS } from '../constants.ts';
import { randomUint32 } from '../entropy.ts';
import { TRUSTED } from '../peer-table.ts';
import type { SocketId } from '../socket-id.ts';
import type { ReceivedAdvertisement } from '../client/advertisement.ts';
import type { BubbleTrailers, Bubbles } from '../client/bubbles.ts';
import type { ClientContext } from '../client/context.ts';
import type { ContactProgress, PeerMeans } from '../client/status.ts';
import { SOCKET } from '../client/options.ts';
import { mappedAddressOf, mappedPortOf, readUint32 } from '../../wire/index.ts';
import type { Endpoint, Trailers } from '../../wire/index.ts';
import { Delays } from './delays.ts';
import { Doubts } from './doubts.ts';
import { EchoTests } from './echo-tests.ts';
import { GatewayPairs } from './gateway-pairs.ts';
import { Guessing } from './guessing.ts';
import { isMeetingPoint, meansOf } from './means.ts';
import { PeerPaths } from './peer-paths.ts';
import type { PeerPath } from './peer-paths.ts';
import { RandomPorts } from './random-ports.ts';
import { ServerLoadReduction } from './server-load.ts';

/** RFC 6081 section 5.4.2.1: Peer Refresh Timer, and how often it keeps the way to an idle peer open. */
const REFRESH_MS = 30_000;
const REFRESHES_MOST = 20;
/** As long as an attempt at a contact, by us or by the peer, may need the socket that it has been told of. */
const ATTEMPT_MS = 10_000;
/** What follows upon an indirect bubble comes so long after it. */
const FOLLOW_MS = 20;
/** A bubble to a peer that has to open its NAT first, which it may have done by then: half a round trip by way of its server. */
const AGAIN_MS = 400;
/** For so long at the most it is asked oftener whether it hears us. */
const UNCONFIRMED_MS = 10_000;
/** Who has been silent for so long where it is sent to, and shows our nonce elsewhere, is sent to there. */
const SILENT_MS = 2_000;
/** Addresses of peers that guesses have brought here. */
const GUESSED_MOST = 256;
/** Bubbles to new places of a peer within the spacing of others. */
const CONFIRMATIONS = 4;

/**
 * Peers behind NATs that RFC 4380 alone does not get through (RFC 6081 sections 5.2 to 5.6). The client's own NAT says what an indirect
 * bubble has to tell the peer:
 *
 *     any                            a nonce, to be shown by direct bubbles; our address on our link
 *     symmetric, port-preserving     the external port to expect: that of a new socket
 *     symmetric, counting            the same, found by an Echo Test
 *
 * and the peer's indirect bubble says where direct ones go: to the pair in its address, to its alternate addresses, to its random port.
 */
export class Traversal {
  readonly gateways: GatewayPairs;
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly paths = new PeerPaths();
  private readonly doubts: Doubts;
  private readonly ports: RandomPorts;
  private readonly echo: EchoTests;
  private readonly guessing: Guessing;
  private readonly serverLoad: ServerLoadReduction;
  /** Until the sockets of peers that have not been reached by them are closed. */
  private readonly closing = new Delays(ATTEMPT_MS);
  /** Until a bubble goes from a peer's socket, and goes once more. */
  private readonly following = new Delays(FOLLOW_MS);
  private readonly again = new Delays(AGAIN_MS);
  private refreshAt = Infinity;
  /** IPv4 addresses of peers that guesses have brought here, the last ones: where nothing else helps, they are offered at once. */
  private readonly guessedAt = new Set<number>();

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.bubbles = bubbles;
    this.gateways = new GatewayPairs(context, this.paths);
    this.doubts = new Doubts(context, this.paths, {
      isReached: (peer, now) => this.isReached(peer, now),
      solicit: (peer, now) => this.solicit(peer, now),
      unheard: (peer, now) => this.tryOtherWays(peer, now),
    });
    this.ports = new RandomPorts(context);
    this.echo = new EchoTests(context, {
      sendBubble: (peer, socket, now) => this.sendFrom(peer, socket, now),
      predicted: (peer, port, now) => this.handlePrediction(peer, port, now),
    });
    this.serverLoad = new ServerLoadReduction(context, bubbles, this.paths);
    this.guessing = new Guessing(
      context,
      bubbles,
      this.paths,
      this.ports,
      (peer, now) => this.sendIndirect(peer, context.peers.address(peer), now),
      (peer, now) => this.meet(peer, now),
    );
  }

  /** The client is not qualified any more, or has other servers: nothing that was asked is answered, and our NAT may be another one. */
  interrupt(): void {
    this.echo.clear();
    this.guessing.clear();
    this.doubts.clearAll();
    this.following.clear();
    this.again.clear();
    this.guessedAt.clear();
  }

  /** This host has packets for the peer, which nobody has made it answer. */
  want(peer: number): void {
    this.paths.provide(peer).isWanted = true;
  }

  isWanted(peer: number): boolean {
    return this.paths.get(peer)?.isWanted === true;
  }

  /** Whose socket that is. */
  ownerOf(socket: SocketId): number | undefined {
    return this.ports.ownerOf(socket);
  }

  /** How a trusted peer is reached. */
  meansOf(peer: number): PeerMeans {
    return meansOf(this.context, this.paths.get(peer), peer);
  }

  handleAdvertisement(socket: SocketId, received: ReceivedAdvertisement): void {
    const peer = this.ports.ownerOf(socket);
    if (peer === undefined || this.guessing.handleAdvertisement(peer, received)) return;
    this.echo.handleAdvertisement(peer, received);
  }

  handleTimeout(now: number): void {
    this.echo.handleTimeout(now);
    this.guessing.handleTimeout(now);
    for (const peer of this.following.due(now)) this.sendLater(peer, now);
    for (const peer of this.again.due(now)) this.sendLater(peer, now);
    this.doubts.handleTimeout(now);
    this.closeUnused(now);
    if (now < this.refreshAt) return;
    this.refreshAt = Infinity;
    for (const [peer, path] of this.paths.withSocket()) this.refresh(peer, path, now);
  }

  /** Bubbles on all ways to the peer, and one through its server. CL-65, A-4 */
  sendRound(peer: number, target: Uint8Array, attempt: number, now: number): void {
    if (this.serverLoad.solicit(peer, target, attempt, now)) return;
    const path = this.paths.get(peer);
    const isInVain = path !== undefined && this.doubts.isInVain(path, now);
    if (isInVain && this.context.qualified!.symmetric && this.isReached(peer, now)) {
      this.doubts.doubt(peer, path);
      this.guessing.offer(peer, true, now);
    }
    const isSoon = attempt === 1 && this.guessesSoon(target);
    if (attempt > 1 || isSoon) this.guessing.offer(peer, true, now);
    if (attempt === CONTACT_ATTEMPTS) this.meet(peer, now);
    this.sendDirect(peer, target, now);
    // Between NATs that count, an Echo Test under way would take the ports that are foretold.
    if (isSoon && this.guessing.habit === 'counting') this.sendIndirect(peer, target, now);
    else this.requestIndirect(peer, target, true, now);
  }

  /** Whether guesses have brought somebody here: where our NAT counts, the peer of that address, which may have lost its mapping. */
  private guessesSoon(target: Uint8Array): boolean {
    if (this.guessing.habit !== 'counting') return this.guessedAt.size > 0;
    return !this.doubts.isOpenInwards && this.guessedAt.has(mappedAddressOf(target, 0));
  }

  isMeetingPoint(address: number, port: number): boolean {
    return isMeetingPoint(this.context, address, port);
  }

  /**
   * Our server has forwarded this peer's bubble: what it says is kept, and answered on all ways by which the peer may be waiting.
   * RFC 6081 sections 5.2.4.3, 5.4.4.4, 5.6.4.2
   */
  handleIndirect(
    peer: number,
    buffer: Uint8Array,
    trailers: Readonly<Trailers>,
    isWanted: boolean,
    now: number,
  ): void {
    this.remember(peer, buffer, trailers, now);
    const { peers } = this.context;
    const target = peers.address(peer);
    const path = this.paths.get(peer)!;
    const isAsked = this.doubts.handleQuestion(peer, path, now);
    if (this.isReached(peer, now) && !this.hasAnother(peer)) {
      const place = [peers.mappedAddress[peer], peers.mappedPort[peer], peers.socket[peer]] as const;
      if (!isAsked) this.confirm(peer, ...place, now); // E-94
      return;
    }
    if (path.peerRandomPort !== 0) this.openPreserved(peer, path, isWanted, now);
    this.bubbles.replyAll(target, 0, this.placesOf(target, path), now, { nonce: path.nonceReceived });
    this.sendFromRandom(target, path, now);
    if (trailers.guess !== undefined) this.guessing.handle(peer, trailers.guess, isWanted, now);
  }

  /** Whether an indirect bubble counts: not against somebody who has agreed to guess. */
  admits(peer: number, trailers: Readonly<Trailers>): boolean {
    return this.guessing.admits(peer, trailers.guess);
  }

  /** Whether an indirect bubble shows that its sender has had ours. */
  knowsUs(peer: number, trailers: Readonly<Trailers>): boolean {
    return this.guessing.knowsUs(peer, trailers.guess);
  }

  /** A direct bubble with these trailers was sent by whoever got our indirect one. E-27 */
  proves(peer: number, buffer: Uint8Array, { nonce }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || nonce === undefined) return false;
    const shown = readUint32(buffer, nonce);
    return shown !== 0 && (shown === path.nonceSent || shown === path.nonceBefore);
  }

  /**
   * Whether the peer is valid, and where it is. A symmetric NAT of either side shows another pair than that in the address, which whoever
   * forges knows: of a peer that has nonces only one of ours tells where it is.
   */
  isReached(peer: number, now: number): boolean {
    return (
      this.context.peers.isValid(peer, now) &&
      !this.isDoubtful(peer) &&
      this.paths.get(peer)?.isUnheard !== true
    );
  }

  /**
   * The peer has shown our nonce, from this place for the first time: an earlier bubble to there may have opened our NAT and gone no farther, so
   * that the spacing of replies does not hold for this one. But two sides that each find another place better would go on for ever.
   */
  confirmShown(peer: number, address: number, port: number, socket: SocketId, now: number): void {
    const path = this.paths.provide(peer);
    if (now - path.confirmedAt >= BUBBLE_SPACING_MS) [path.confirmedAt, path.confirmations] = [now, 0];
    if (++path.confirmations > CONFIRMATIONS) {
      this.confirm(peer, address, port, socket, now);
      return;
    }
    const trailers = { nonce: path.nonceReceived, guess: this.guessing.trailerFor(peer) };
    this.bubbles.sendDirect(this.context.peers.address(peer), { address, port }, trailers, now, socket);
  }

  /** Whether what has come by this socket shows a way that goes back, too. */
  isMutual(peer: number, socket: SocketId, port: number, { guess }: Readonly<Trailers>): boolean {
    return socket === SOCKET.service || this.guessing.isMutual(peer, socket, port, guess);
  }

  /**
   * Whether the peer is reached by our service port while the socket that was opened for it may turn out to be the better way: no packet of the
   * peer has shown yet that it hears us.
   */
  hasAnother(peer: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined) return false;
    return path.random !== 0 && this.context.peers.socket[peer] === SOCKET.service;
  }

  /**
   * Whether a silent peer is asked soon: it was heard through a symmetric NAT of ours a short while ago, and has shown by no packet yet that it
   * hears us; or it would take long to find again.
   */
  isUnconfirmed(peer: number, now: number): boolean {
    const path = this.paths.get(peer);
    if (path?.isGuessed === true) return true;
    if (!this.context.qualified!.symmetric) return false;
    return path !== undefined && path.lastHeard < path.settledAt && now - path.settledAt < UNCONFIRMED_MS;
  }

  /** Whether it may come back to the service port from a socket of its own: not where that has turned out to lead nowhere. E-72 */
  mayReturn(peer: number): boolean {
    const path = this.paths.get(peer);
    return !this.doubts.isOpenInwards && (path === undefined || path.lastHeard < path.settledAt);
  }

  /** Something has come from where the peer is sent to, by this socket. `isAnswer`: packets are, and what answers a solicitation. */
  noteAtPlace(peer: number, socket: SocketId, isAnswer: boolean, now: number): void {
    this.serverLoad.drop(peer);
    const path = this.paths.get(peer);
    if (path === undefined || this.isDoubtful(peer)) return;
    path.lastAtPlace = now;
    if (isAnswer) this.noteHeard(peer, path, socket, now);
  }

  /** Whether nothing has come from where the peer is sent to for a while: its NAT may have lost that mapping. */
  isSilentAtPlace(peer: number, socket: SocketId, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || now - path.lastAtPlace < SILENT_MS) return false;
    return socket !== SOCKET.service || this.context.peers.socket[peer] === SOCKET.service;
  }

  /** The peer has been heard from this pair, and cannot know of that yet. */
  confirm(peer: number, address: number, port: number, socket: SocketId, now: number): void {
    const { context } = this;
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    // From another pair than our address says it would be taken for forged, and keep the one with the nonce back.
    const isForged =
      context.qualified!.symmetric &&
      context.policy.isGlobalUnicast(address) &&
      !this.isMeetingPoint(address, port);
    if (nonce === 0 && isForged) return;
    this.bubbles.reply(context.peers.address(peer), 0, address, port, now, { nonce }, socket);
  }

  /** Whether the peer takes what comes from us only with its nonce. */
  needsNonce(peer: number): boolean {
    return (this.paths.get(peer)?.nonceReceived ?? 0) !== 0;
  }

  /**
   * The peer has shown our nonce from this pair. Behind a symmetric NAT, and on our own link, we have to show it one in return, or what we
   * send is lost: false where that one is still on its way.
   */
  mayTrust(peer: number, address: number, port: number, socket: SocketId, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || path.nonceReceived !== 0 || this.isSeenAsAddressSays(address)) return true;
    path.shownFrom = { address, port, socket, at: now };
    return false;
  }

  /** That place, once the nonce has come. */
  takeShown(peer: number, now: number): (Endpoint & { readonly socket: SocketId }) | undefined {
    const path = this.paths.get(peer);
    if (path === undefined || path.nonceReceived === 0) return undefined;
    const { shownFrom } = path;
    path.shownFrom = undefined;
    return shownFrom !== undefined && now - shownFrom.at < ATTEMPT_MS ? shownFrom : undefined;
  }

  /** A trusted peer's bubble has come from where it is. */
  hear(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, socket: SocketId, now: number): void {
    if (this.isDoubtful(peer) && this.proves(peer, buffer, trailers)) this.settle(peer, socket, true, now);
  }

  /** The peer is trusted, by way of this socket. E-70, E-72 */
  settle(peer: number, socket: SocketId, byNonce: boolean, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.byNonce = byNonce;
    const { mappedAddress, mappedPort } = this.context.peers;
    if (this.isMeetingPoint(mappedAddress[peer], mappedPort[peer])) this.echo.cancel(peer);
    if (this.isDoubtful(peer)) return; // and other ways are tried on
    const isGuessed = this.guessing.settle(peer, socket, now);
    // A new place is by a guess or not; the same one, as it was.
    path.isGuessed = isGuessed || (path.isGuessed && socket === path.random);
    if (isGuessed) this.noteGuessed(mappedAddressOf(this.context.peers.address(peer), 0));
    if (!this.doubts.keepsSocket(peer, path, socket)) {
      this.echo.cancel(peer);
      if (socket !== path.random) this.closeRandom(peer, path);
      path.random = socket;
      this.closing.end(peer);
      if (!this.guessing.isUnderway(peer)) this.guessing.end(peer);
    }
    if (isGuessed || !this.doubts.keepsSocket(peer, path, socket)) this.doubts.clear(peer, path);
    // What follows upon what has not helped is no new beginning.
    if (path.lastHeard >= path.settledAt || now - path.settledAt >= UNCONFIRMED_MS) path.settledAt = now;
    path.lastAtPlace = now;
    if (socket !== SOCKET.service) this.refreshAt = Math.min(this.refreshAt, now + REFRESH_MS);
    path.shownFrom = undefined;
    path.lastData = now;
    path.refreshes = 0;
    this.doubts.handleSettled(peer, path, now);
  }

  /** A trusted peer asks whether we are still there. E-112 */
  advertise(peer: number, now: number): void {
    this.serverLoad.advertise(peer, now);
  }

  /** A packet went to a peer that has a socket of its own. E-62 */
  noteData(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastData = now;
    path.refreshes = 0;
  }

  /** One more indirect bubble: the peer has asked, and may need ours. E-30 */
  requestIndirect(peer: number, target: Uint8Array, isWanted: boolean, now: number): void {
    const path = this.paths.provide(peer);
    if (this.openPreserved(peer, path, isWanted, now)) {
      if (path.hasSpoken) this.following.begin(peer, now);
    } else if (this.mayOpen(peer, path, isWanted, now)) {
      path.random = this.ports.open(peer);
      path.randomPort = 0;
      this.keepFor(peer, path, now);
      if (path.random !== 0) {
        this.echo.begin(peer, path.random, now); // E-80
        return;
      }
    } else if (this.isSought(peer, now)) this.keepFor(peer, path, now);
    if (!this.echo.isUnderway(peer)) this.sendIndirect(peer, target, now);
  }

  /** For whoever looks on. */
  progressOf(peer: number): Omit<ContactProgress, 'state' | 'attempts' | 'mapped' | 'means'> {
    const path = this.paths.get(peer);
    return {
      isHeardThroughServer: this.needsNonce(peer),
      ownPorts: this.guessing.habit,
      peerPorts: path?.habit,
      expectedPort: path?.randomPort || undefined,
      peerExpectedPort: path?.peerRandomPort || undefined,
      isTesting: this.echo.isUnderway(peer),
      ...this.guessing.progressOf(peer),
    };
  }

  /** The peer is forgotten. */
  drop(peer: number): void {
    this.echo.cancel(peer);
    this.serverLoad.drop(peer);
    this.following.end(peer);
    this.again.end(peer);
    this.doubts.drop(peer);
    const path = this.paths.take(peer);
    this.guessing.end(peer);
    if (path !== undefined) this.closeRandom(peer, path);
    this.closing.end(peer);
  }

  pollTimeout(): number {
    const { echo, guessing, doubts, closing, following, again } = this;
    const parts = [echo, guessing, doubts, closing, following, again];
    return parts.reduce((at, part) => Math.min(at, part.pollTimeout()), this.refreshAt);
  }

  private noteGuessed(address: number): void {
    this.guessedAt.delete(address); // to the end of the line
    this.guessedAt.add(address);
    for (const oldest of this.guessedAt) {
      if (this.guessedAt.size <= GUESSED_MOST) break;
      this.guessedAt.delete(oldest);
    }
  }

  private isSought(peer: number, now: number): boolean {
    return this.context.qualified!.symmetric && !this.isReached(peer, now);
  }

  private mayOpen(peer: number, path: PeerPath, isWanted: boolean, now: number): boolean {
    return this.isSought(peer, now) && path.random === 0 && (isWanted || this.ports.hasRoomForStrangers);
  }

  /** Behind a NAT that preserves ports: a new socket's is known at once. E-61, E-63 */
  private openPreserved(peer: number, path: PeerPath, isWanted: boolean, now: number): boolean {
    if (!this.context.preservesPorts || !this.mayOpen(peer, path, isWanted, now)) return false;
    const port = this.ports.pick();
    path.random = this.ports.open(peer, port);
    path.randomPort = path.random === 0 ? 0 : port;
    this.keepFor(peer, path, now);
    return path.random !== 0;
  }

  /** The bubble from a socket of the peer's own, which opens our NAT to one that has named no port, comes after the indirect one. */
  private sendLater(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined || (this.isReached(peer, now) && !this.hasAnother(peer))) return;
    this.sendFromRandom(this.context.peers.address(peer), path, now);
  }

  /** A trusted peer hears us, by this socket. */
  private noteHeard(peer: number, path: PeerPath, socket: SocketId, now: number): void {
    this.doubts.noteHeard(peer, path, now);
    if (socket === SOCKET.service && path.random !== 0) {
      this.echo.cancel(peer);
      this.closeRandom(peer, path);
      this.closing.end(peer);
    }
    this.guessing.end(peer);
  }

  /** A trusted peer is asked where it is sent to. */
  private solicit(peer: number, now: number): void {
    const { peers } = this.context;
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
    const trailers = { nonce, neighborDiscovery: 'solicitation' } as const;
    this.bubbles.reply(peers.address(peer), 0, address, port, now, trailers, peers.socket[peer]);
  }

  /** A trusted peer does not hear us where we send to. */
  private tryOtherWays(peer: number, now: number): void {
    const target = this.context.peers.address(peer);
    const isWanted = this.isWanted(peer);
    this.guessing.offer(peer, isWanted, now);
    this.sendDirect(peer, target, now);
    this.requestIndirect(peer, target, isWanted, now);
  }

  private isDoubtful(peer: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || path.byNonce || !path.hasNonces) return false;
    return path.isSymmetric || this.context.qualified!.symmetric;
  }

  private sendDirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.get(peer);
    const nonce = path?.nonceReceived ?? 0; // E-22, E-23
    for (const place of this.placesOf(target, path)) this.bubbles.sendDirect(target, place, { nonce }, now);
    if (path !== undefined) this.sendFromRandom(target, path, now);
  }

  /**
   * To where a symmetric peer expects its NAT to let us in, or to where one that has named no such port is, from where we expect ours to let it
   * in. Not before it has spoken: the first bubble takes the port that a NAT preserves. E-65
   */
  private sendFromRandom(target: Uint8Array, path: PeerPath, now: number): void {
    if (path.random === 0 || path.randomPort === 0 || !path.hasSpoken) return;
    const port = path.peerRandomPort || mappedPortOf(target, 0);
    const place = { address: mappedAddressOf(target, 0), port };
    const trailers = { nonce: path.nonceReceived, randomPort: path.randomPort };
    this.bubbles.sendDirect(target, place, trailers, now, path.random);
  }

  /** Where the peer may be reached from the service port. E-66, E-93 */
  private placesOf(target: Uint8Array, path: PeerPath | undefined): Endpoint[] {
    const places = [this.bubbles.pairIn(target, 0)];
    if (path === undefined) return places;
    if (path.peerRandomPort !== 0 && !this.context.qualified!.symmetric)
      places.push({ address: mappedAddressOf(target, 0), port: path.peerRandomPort });
    return [...places, ...path.alternates.filter((one) => this.mayBePeer(one))];
  }

  private mayBePeer({ address, port }: Endpoint): boolean {
    const { policy, network, servicePort } = this.context;
    const isSelf = address === network.localAddress && port === servicePort;
    return policy.isUnicast(address) && !isSelf;
  }

  /** Whether who is at this address sees us where our Teredo address says. */
  private isSeenAsAddressSays(address: number): boolean {
    return !this.context.qualified!.symmetric && this.context.policy.isGlobalUnicast(address);
  }

  private sendIndirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.provide(peer);
    const nonce = this.newNonce();
    const trailers: BubbleTrailers = {
      nonce,
      alternates: this.alternates(),
      randomPort: path.random === 0 ? 0 : path.randomPort, // E-64, E-86
      guess: this.guessing.trailerFor(peer),
    };
    if (!this.bubbles.sendIndirect(target, trailers, now)) return;
    path.nonceBefore = path.nonceSent; // the answer to the one before may be on its way
    path.nonceSent = nonce;
  }

  /** There is no other way, or none was found: a bubble by way of the relay where peers are met. docs/adr/0017 */
  private meet(peer: number, now: number): void {
    const { peers, options } = this.context;
    if (options.meetingRelay === undefined || peers.isValid(peer, now)) return;
    this.bubbles.sendDirect(peers.address(peer), options.meetingRelay, {}, now);
  }

  /** Our pair on our own link, for who is behind the same NAT, and that at which our NAT lets anybody in. E-91 */
  private alternates(): Endpoint[] {
    const { network, servicePort, natKind } = this.context;
    const { own } = this.gateways;
    const pairs: Endpoint[] = [];
    if (network.localAddress !== undefined && servicePort !== undefined && natKind !== 'none')
      pairs.push({ address: network.localAddress, port: servicePort });
    if (own !== undefined) pairs.push(own);
    return pairs;
  }

  private newNonce(): number {
    return randomUint32(this.context.entropy) || this.newNonce(); // E-32, E-33
  }

  private remember(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, now: number): void {
    const { peers } = this.context;
    const path = this.paths.provide(peer);
    path.hasSpoken = true;
    path.nonceReceived = trailers.nonce === undefined ? 0 : readUint32(buffer, trailers.nonce); // E-24
    path.alternates = trailers.alternates ?? [];
    const { randomPort, guess } = trailers;
    if (!this.isTalking(peer, path, now)) {
      if (path.nonceReceived !== 0) path.hasNonces = true;
      if ((randomPort ?? 0) !== 0 || (guess?.habit ?? 'stable') !== 'stable') path.isSymmetric = true;
    }
    if (randomPort === undefined || randomPort === path.peerRandomPort) return;
    // The peer begins anew, and so do we, where we can tell it at once. E-69
    const isOld = path.peerRandomPort !== 0 && this.isReachedBy(peer, path) && !peers.isValid(peer, now);
    if (isOld && path.random !== 0 && this.context.preservesPorts && peers.mayBubble(peer, now)) {
      peers.socket[peer] = SOCKET.service;
      this.closeRandom(peer, path);
    }
    path.peerRandomPort = randomPort;
  }

  /** Packets come from where the peer is sent to: others cannot make it one that is elsewhere by what they say in its name. */
  private isTalking(peer: number, path: PeerPath, now: number): boolean {
    return this.isReached(peer, now) && now - path.lastHeard < PEER_VALIDITY_MS;
  }

  /** The bubble of an Echo Test: to where the peer will be, so that its is the port that is foretold. */
  private sendFrom(peer: number, socket: SocketId, now: number): void {
    const target = this.context.peers.address(peer);
    const { nonceReceived: nonce = 0, peerRandomPort = 0 } = this.paths.get(peer) ?? {};
    const { address, port } = this.bubbles.pairIn(target, 0);
    this.bubbles.sendDirect(target, { address, port: peerRandomPort || port }, { nonce }, now, socket);
  }

  private handlePrediction(peer: number, port: number | undefined, now: number): void {
    const path = this.paths.provide(peer);
    const target = this.context.peers.address(peer);
    if (port === undefined) this.closeRandom(peer, path); // the next round tests anew: E-80
    else path.randomPort = port;
    this.sendIndirect(peer, target, now);
    this.sendFromRandom(target, path, now);
    this.again.begin(peer, now);
  }

  /** E-75 */
  private refresh(peer: number, path: PeerPath, now: number): void {
    const { peers } = this.context;
    if (!this.isReachedBy(peer, path)) return;
    if (now - path.lastData < REFRESH_MS) path.refreshes = 0;
    else if (path.refreshes < REFRESHES_MOST) {
      path.refreshes++;
      peers.lastBubble[peer] = now; // or it would be forgotten before the last
      this.confirm(peer, peers.mappedAddress[peer], peers.mappedPort[peer], path.random, now);
    } else {
      peers.distrust(peer);
      this.closeRandom(peer, path);
      return;
    }
    this.refreshAt = now + REFRESH_MS;
  }

  /** The attempt goes on. */
  private keepFor(peer: number, path: PeerPath, now: number): void {
    if (path.random !== 0 && !this.isReachedBy(peer, path)) this.closing.begin(peer, now);
    else this.closing.end(peer);
  }

  /** Contacts that have failed. */
  private closeUnused(now: number): void {
    for (const peer of this.closing.due(now)) {
      this.echo.cancel(peer);
      const path = this.paths.get(peer);
      if (path !== undefined) this.closeRandom(peer, path);
    }
  }

  private isReachedBy(peer: number, path: PeerPath): boolean {
    const { peers } = this.context;
    return peers.status[peer] === TRUSTED && peers.socket[peer] === path.random;
  }

  private closeRandom(peer: number, path: PeerPath): void {
    if (path.shownFrom?.socket === path.random) path.shownFrom = undefined;
    this.ports.close(peer, path.random);
    path.random = path.randomPort = 0;
  }
}
