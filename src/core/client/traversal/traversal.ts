import { CONTACT_ATTEMPTS, PEER_VALIDITY_MS } from '../../constants.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { ContactProgress, PeerMeans } from '../status.ts';
import { SOCKET } from '../options.ts';
import { mappedAddressOf, readUint32 } from '../../../wire/index.ts';
import type { Endpoint, Trailers } from '../../../wire/index.ts';
import { CausedRounds } from './caused-rounds.ts';
import { GuessedAddresses } from './guessed-addresses.ts';
import type { Guesses } from './guess.ts';
import { GuessShots } from './guess-shots.ts';
import { Reachability } from './reachability.ts';
import { GatewayPairs } from './gateway-pairs.ts';
import { Guessing } from './guessing.ts';
import { isMeetingPoint, meansOf } from './means.ts';
import { PeerBubbles } from './peer-bubbles.ts';
import { PeerPaths } from './peer-paths.ts';
import type { PeerPath, Place } from './peer-paths.ts';
import { isPlaceUnproven, isReached } from './peer-state.ts';
import { PeerPlaces } from './peer-places.ts';
import { PeerSockets } from './peer-sockets.ts';
import { SocketPool } from './socket-pool.ts';
import { ServerLoadReduction } from './server-load.ts';

/** For so long at the most it is asked oftener whether it hears us. */
const UNCONFIRMED_MS = 10_000;
/** Who has been silent for so long where it is sent to, and shows our nonce elsewhere, is sent to there. */
const SILENT_MS = 2_000;

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
  private readonly context: ClientContext;
  private readonly paths = new PeerPaths();
  private readonly caused: CausedRounds;
  private readonly gateways: GatewayPairs;
  private readonly peerBubbles: PeerBubbles;
  private readonly sockets: PeerSockets;
  private readonly places: PeerPlaces;
  private readonly reachability: Reachability;
  private readonly ports: SocketPool;
  private readonly guessing: Guessing;
  private readonly serverLoad: ServerLoadReduction;
  private readonly guessedAddresses = new GuessedAddresses();

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.caused = new CausedRounds(context, this.paths);
    this.gateways = new GatewayPairs(context, this.paths);
    const guesses: Guesses = new Map();
    this.peerBubbles = new PeerBubbles(context, bubbles, this.paths, this.gateways, guesses);
    this.ports = new SocketPool(context);
    this.sockets = new PeerSockets(context, this.paths, this.ports, this.peerBubbles);
    this.reachability = new Reachability(context, this.paths, this.peerBubbles);
    this.serverLoad = new ServerLoadReduction(context, bubbles, this.paths);
    const shots = new GuessShots(context, bubbles, this.paths, this.ports);
    this.guessing = new Guessing(context, this.paths, this.ports, this.peerBubbles, shots, guesses);
    const { gateways, guessing, paths, peerBubbles, sockets } = this;
    this.places = new PeerPlaces(context, { gateways, guessing, paths, peerBubbles, sockets });
  }

  /** The client is not qualified any more, or has other servers: nothing that was asked is answered, and our NAT may be another one. */
  interrupt(): void {
    this.sockets.interrupt();
    this.guessing.clear();
    this.reachability.clearAll();
    this.guessedAddresses.clear();
    this.paths.resetRounds();
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
    this.sockets.handleAdvertisement(peer, received);
  }

  handleTimeout(now: number): void {
    this.sockets.handleTimeout(now);
    this.guessing.handleTimeout(now);
    for (const peer of this.reachability.unanswered(now)) this.tryOtherWays(peer, now);
  }

  /** Bubbles on all ways to the peer, and one through its server. A peer that this host only answers has what strangers have. CL-65, A-4 */
  sendRound(peer: number, target: Uint8Array, attempt: number, now: number): void {
    if (this.serverLoad.solicit(peer, target, attempt, now)) return;
    const path = this.paths.get(peer);
    const isWanted = path?.isWanted === true;
    const isInVain = path !== undefined && this.reachability.isInVain(path, now);
    if (isInVain && this.context.qualified!.symmetric && this.isReached(peer, now)) {
      this.reachability.doubt(peer, path);
      this.guessing.offer(peer, isWanted, now);
    }
    const isSoon = attempt === 1 && this.guessesSoon(target);
    if (attempt > 1 || isSoon) this.guessing.offer(peer, isWanted, now);
    if (attempt === CONTACT_ATTEMPTS) this.peerBubbles.askMeetingRelay(peer, now);
    this.peerBubbles.sendDirect(peer, target, now);
    // Between NATs that count, an Echo Test under way would take the ports that are foretold.
    if (isSoon && this.guessing.habit === 'counting') this.peerBubbles.sendIndirect(peer, target, now);
    else this.sockets.requestIndirect(peer, target, isWanted, now);
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
    const isAsked = this.reachability.handleQuestion(peer, path, now);
    if (this.isReached(peer, now) && !this.sockets.hasAnother(peer)) {
      const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
      if (!isAsked) this.peerBubbles.confirm(peer, { address, port, socket: peers.socket[peer]! }, now); // E-94
      return;
    }
    if (path.peerRandomPort !== 0) this.sockets.openPreserved(peer, path, isWanted, now);
    this.peerBubbles.replyEverywhere(target, path, now);
    this.peerBubbles.sendFromOwnSocket(target, path, now);
    if (trailers.guess !== undefined) this.guessing.handle(peer, trailers.guess, isWanted, now);
  }

  /** Whether an indirect bubble counts: not against somebody who has agreed to guess. */
  admits(peer: number, trailers: Readonly<Trailers>): boolean {
    return this.guessing.admits(peer, trailers.guess);
  }

  /** Whether an indirect bubble shows that its sender has had ours. */
  echoedOurToken(peer: number, trailers: Readonly<Trailers>): boolean {
    return this.guessing.echoedOurToken(peer, trailers.guess);
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
    return isReached(this.context, this.paths.get(peer), peer, now);
  }

  /**
   * A peer has shown our nonce at this place. Returns the pair to which it is sent from now on; undefined: nothing changes. `isPreferred`: the
   * caller has a reason to move a valid peer.
   */
  moveTo(
    peer: number,
    place: Place,
    trailers: Readonly<Trailers>,
    isPreferred: boolean,
    now: number,
  ): Endpoint | undefined {
    return this.places.moveTo(peer, place, trailers, isPreferred, now);
  }

  /** The peer's nonce has come. Returns the place to which it is sent from now on, since it has shown ours before; undefined: nothing changes. */
  moveToShown(peer: number, now: number): Place | undefined {
    return this.places.moveToShown(peer, now);
  }

  /** Whether a trusted peer sends from this pair too, where it has shown our nonce, while it is sent to another one. */
  sendsFrom(
    peer: number,
    address: number,
    port: number,
    socket: SocketId,
  ): 'usually' | 'perhaps' | undefined {
    return this.gateways.sendsFrom(peer, address, port, socket);
  }

  /** A bubble to the place from which a peer was heard: the peer cannot know yet that its own one has arrived. */
  confirm(peer: number, place: Place, byNonce: boolean, now: number): void {
    if (byNonce) this.peerBubbles.confirmShown(peer, place, now);
    else this.peerBubbles.confirm(peer, place, now);
  }

  /** A packet of this host goes to a peer that has a socket of its own. E-62 */
  noteSent(peer: number, now: number): void {
    this.sockets.noteData(peer, now);
  }

  /** A peer that is not reached has asked for bubbles through our server: one more indirect bubble, within its limit. */
  answerQuestion(peer: number, isWanted: boolean, now: number): void {
    if (this.isReached(peer, now) || !this.caused.isDue(peer, now)) return;
    this.caused.count(peer, now);
    this.sockets.requestIndirect(peer, this.context.peers.address(peer), isWanted, now);
  }

  /** Whether a round of bubbles that a stranger has caused may go to the peer now. CL-93, CL-94 */
  mayCauseRound(peer: number, now: number): boolean {
    return this.caused.isDue(peer, now);
  }

  /** Whether the limit of such rounds is not reached. */
  hasCausedRoundLeft(peer: number, now: number): boolean {
    return this.caused.isLeft(peer, now);
  }

  /** Such a round has gone out. */
  countCausedRound(peer: number, now: number): void {
    this.caused.count(peer, now);
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
    return !this.reachability.natAdmitsDeafPeers && (path === undefined || path.lastHeard < path.settledAt);
  }

  /** Something has come from where the peer is sent to, by this socket. `isAnswer`: packets are, and what answers a solicitation. */
  noteAtPlace(peer: number, socket: SocketId, isAnswer: boolean, now: number): void {
    this.serverLoad.drop(peer);
    const path = this.paths.get(peer);
    if (path === undefined || isPlaceUnproven(this.context, path)) return;
    path.lastAtPlace = now;
    if (isAnswer) this.noteHeard(peer, path, socket, now);
  }

  /** Whether nothing has come from where the peer is sent to for a while: its NAT may have lost that mapping. */
  isSilentAtPlace(peer: number, socket: SocketId, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || now - path.lastAtPlace < SILENT_MS) return false;
    return socket !== SOCKET.service || this.context.peers.socket[peer] === SOCKET.service;
  }

  /** Whether the peer takes what comes from us only with its nonce. */
  needsNonce(peer: number): boolean {
    return (this.paths.get(peer)?.nonceReceived ?? 0) !== 0;
  }

  /** A trusted peer's bubble has come from where it is. */
  hear(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, socket: SocketId, now: number): void {
    const isUnproven = isPlaceUnproven(this.context, this.paths.get(peer));
    if (isUnproven && this.proves(peer, buffer, trailers)) this.settle(peer, socket, true, now);
  }

  /** The peer is trusted, by way of this socket. E-70, E-72 */
  settle(peer: number, socket: SocketId, byNonce: boolean, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.byNonce = byNonce;
    const { mappedAddress, mappedPort } = this.context.peers;
    if (this.isMeetingPoint(mappedAddress[peer], mappedPort[peer])) this.sockets.cancelTest(peer);
    if (isPlaceUnproven(this.context, path)) return; // the search for another way continues
    const isGuessed = this.guessing.settle(peer, socket, now);
    // A new place is by a guess or not; the same one, as it was.
    path.isGuessed = isGuessed || (path.isGuessed && socket === path.ownSocket);
    if (isGuessed) this.guessedAddresses.add(mappedAddressOf(this.context.peers.address(peer), 0));
    if (!this.reachability.keepsSocket(peer, path, socket)) {
      this.sockets.keepOnly(peer, path, socket);
      if (!this.guessing.isUnderway(peer)) this.guessing.end(peer);
    }
    if (isGuessed || !this.reachability.keepsSocket(peer, path, socket)) this.reachability.clear(peer, path);
    // What follows upon what has not helped is no new beginning.
    if (path.lastHeard >= path.settledAt || now - path.settledAt >= UNCONFIRMED_MS) path.settledAt = now;
    path.lastAtPlace = now;
    if (socket !== SOCKET.service) this.sockets.beginRefreshing(now);
    path.shownFrom = undefined;
    path.lastData = now;
    path.refreshes = 0;
    this.reachability.handleSettled(peer, path, now);
  }

  /** A trusted peer asks whether we are still there. E-112 */
  advertise(peer: number, now: number): void {
    this.serverLoad.advertise(peer, now);
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
      isTesting: this.sockets.isTesting(peer),
      ...this.guessing.progressOf(peer),
    };
  }

  /** A socket of a single peer could not be opened. */
  socketFailed(socket: SocketId, now: number): void {
    const peer = this.ports.ownerOf(socket);
    if (peer === undefined) return;
    const path = this.paths.get(peer);
    if (path?.ownSocket === socket) this.sockets.handleFailure(peer, path, now);
    else this.guessing.handleFailure(peer, socket);
  }

  /** The peer is forgotten. */
  drop(peer: number): void {
    this.serverLoad.drop(peer);
    this.reachability.drop(peer);
    const path = this.paths.take(peer);
    this.guessing.end(peer);
    this.sockets.drop(peer, path);
  }

  pollTimeout(): number {
    return Math.min(this.sockets.pollTimeout(), this.guessing.pollTimeout(), this.reachability.pollTimeout());
  }

  /**
   * Whether a guess is offered in the first round already: a guess has helped before. Behind a counting NAT it must have helped with a peer at
   * this address, which may have lost its mapping.
   */
  private guessesSoon(target: Uint8Array): boolean {
    if (this.guessing.habit !== 'counting') return !this.guessedAddresses.isEmpty;
    return !this.reachability.natAdmitsDeafPeers && this.guessedAddresses.has(mappedAddressOf(target, 0));
  }

  /** A trusted peer hears us, by this socket. */
  private noteHeard(peer: number, path: PeerPath, socket: SocketId, now: number): void {
    this.reachability.noteHeard(peer, path, now);
    if (socket === SOCKET.service && path.ownSocket !== 0) {
      this.sockets.close(peer, path);
    }
    this.guessing.end(peer);
  }

  /** A trusted peer does not hear us where we send to. */
  private tryOtherWays(peer: number, now: number): void {
    const target = this.context.peers.address(peer);
    const isWanted = this.isWanted(peer);
    this.guessing.offer(peer, isWanted, now);
    this.peerBubbles.sendDirect(peer, target, now);
    this.sockets.requestIndirect(peer, target, isWanted, now);
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
    const isOld =
      path.peerRandomPort !== 0 && this.sockets.isReachedBy(peer, path) && !peers.isValid(peer, now);
    if (isOld && path.ownSocket !== 0 && this.context.preservesPorts && this.caused.isDue(peer, now)) {
      peers.socket[peer] = SOCKET.service;
      this.sockets.close(peer, path);
    }
    path.peerRandomPort = randomPort;
  }

  /** Packets come from where the peer is sent to: others cannot make it one that is elsewhere by what they say in its name. */
  private isTalking(peer: number, path: PeerPath, now: number): boolean {
    return this.isReached(peer, now) && now - path.lastHeard < PEER_VALIDITY_MS;
  }
}
