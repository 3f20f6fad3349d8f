import { CONTACT_ATTEMPTS } from '../../constants.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import type { ContactProgress, PeerMeans } from '../status.ts';
import { SOCKET } from '../options.ts';
import { mappedAddressOf, readUint32 } from '../../../wire/index.ts';
import type { Endpoint, Trailers } from '../../../wire/index.ts';
import { CausedRounds } from './caused-rounds.ts';
import { GatewayPairs } from './gateway-pairs.ts';
import type { Guesses } from './guess.ts';
import { GuessShots } from './guess-shots.ts';
import { GuessedAddresses } from './guessed-addresses.ts';
import { Guessing } from './guessing.ts';
import { IndirectBubbles } from './indirect-bubbles.ts';
import { adoptMarks, marksOf } from './known-path.ts';
import { meansOf } from './means.ts';
import { PeerBubbles } from './peer-bubbles.ts';
import { PeerPaths } from './peer-path.ts';
import type { PeerPath, Place } from './peer-path.ts';
import { PeerPlaces } from './peer-places.ts';
import { PeerSockets } from './peer-sockets.ts';
import { isPlaceUnproven, isReached } from './peer-state.ts';
import { Reachability } from './reachability.ts';
import { ServerLoadReduction } from './server-load.ts';
import { takeSilentTalkers } from './silent-talkers.ts';
import { SocketPool } from './socket-pool.ts';

/** After this much silence at its place, a peer that shows our nonce elsewhere is moved there. */
const SILENT_MS = 2_000;

/**
 * Peers behind NATs that RFC 4380 alone does not get through (RFC 6081 sections 5.2 to 5.6). The client's own NAT decides which
 * data an indirect bubble has for the peer:
 *
 *     any                            a nonce, to be shown by direct bubbles; our address on our link
 *     symmetric, port-preserving     the external port to expect: that of a new socket
 *     symmetric, counting            the same, found by an Echo Test
 *
 * and the peer's indirect bubble says where direct ones go: to the pair in its address, to its alternate addresses, to its random port.
 * The state of a peer is in peer-state.ts.
 */
export class Traversal {
  private readonly context: ClientContext;
  private readonly paths = new PeerPaths();
  private readonly caused: CausedRounds;
  private readonly gateways: GatewayPairs;
  private readonly guessedAddresses = new GuessedAddresses();
  private readonly guessing: Guessing;
  private readonly indirect: IndirectBubbles;
  private readonly peerBubbles: PeerBubbles;
  private readonly places: PeerPlaces;
  private readonly pool: SocketPool;
  private readonly reachability: Reachability;
  private readonly serverLoad: ServerLoadReduction;
  private readonly sockets: PeerSockets;

  constructor(context: ClientContext, bubbles: Bubbles) {
    const { paths } = this;
    const guesses: Guesses = new Map();
    const gateways = new GatewayPairs(context);
    const caused = new CausedRounds(context, paths);
    const pool = new SocketPool(context);
    const peerBubbles = new PeerBubbles(context, bubbles, gateways, guesses);
    const sockets = new PeerSockets(context, paths, pool, peerBubbles);
    const reachability = new Reachability(context, peerBubbles);
    const shots = new GuessShots(context, bubbles, pool);
    const guessing = new Guessing(context, { caused, guesses, peerBubbles, pool, shots });
    const places = new PeerPlaces(context, { gateways, guessing, peerBubbles, sockets });
    const parts = { caused, guessing, peerBubbles, places, reachability, sockets };
    this.context = context;
    this.caused = caused;
    this.gateways = gateways;
    this.guessing = guessing;
    this.indirect = new IndirectBubbles(context, parts);
    this.peerBubbles = peerBubbles;
    this.places = places;
    this.pool = pool;
    this.reachability = reachability;
    this.serverLoad = new ServerLoadReduction(context, bubbles);
    this.sockets = sockets;
  }

  /** The client is not qualified any more, or has other servers: nothing that was asked is answered, and our NAT may be another one. */
  interrupt(): void {
    this.sockets.interrupt();
    this.guessing.clear();
    this.reachability.clear();
    this.guessedAddresses.clear();
    this.paths.resetRounds();
  }

  /** This host has packets for the peer that are no answers to a stranger. */
  want(peer: number): void {
    this.paths.provide(peer).isWanted = true;
  }

  isWanted(peer: number): boolean {
    return this.paths.get(peer)?.isWanted === true;
  }

  /** For a successor, which takes it to {@link adopt}: what is known of a peer; undefined: it is not reached. */
  marksOf(peer: number, now: number): number | undefined {
    if (!this.isReached(peer, now)) return undefined;
    const path = this.paths.get(peer);
    return path === undefined ? 0 : marksOf(path);
  }

  /** A peer that a predecessor has reached by the service port. */
  adopt(peer: number, marks: number, now: number): void {
    const heardAt = this.context.peers.lastReceived.at(peer);
    if (marks !== 0) adoptMarks(this.paths.provide(peer), marks, heardAt, now);
  }

  /** The peer to which a socket belongs. */
  ownerOf(socket: SocketId): number | undefined {
    return this.pool.ownerOf(socket);
  }

  /** How a trusted peer is reached. */
  meansOf(peer: number): PeerMeans {
    return meansOf(this.context, this.paths.get(peer), peer);
  }

  handleAdvertisement(socket: SocketId, received: ReceivedAdvertisement): void {
    const path = this.pathOf(socket);
    if (path === undefined || this.guessing.handleAdvertisement(path, received)) return;
    this.sockets.handleAdvertisement(path, received);
  }

  handleTimeout(now: number): void {
    this.sockets.handleTimeout(now);
    this.guessing.handleTimeout(now);
    for (const path of this.reachability.unanswered(now)) this.tryOtherWays(path, now);
  }

  /** Bubbles on all ways to the peer, and one through its server. A peer that this host only answers has the budget of strangers. CL-65, A-4 */
  sendRound(peer: number, target: Uint8Array, attempt: number, now: number): void {
    const nonceReceived = this.paths.get(peer)?.nonceReceived ?? 0;
    if (this.serverLoad.solicit(peer, nonceReceived, attempt, now)) return;
    const path = this.paths.provide(peer);
    const { isWanted } = path;
    const isSymmetric = this.context.qualified!.symmetric;
    if (isSymmetric && path.hearing.isInVain(now) && isReached(this.context, path, now)) {
      this.reachability.noteUnanswered(path);
      this.guessing.offer(path, isWanted, now);
    }
    const isSoon = attempt === 1 && this.guessesSoon(target);
    if (attempt > 1 || isSoon) this.guessing.offer(path, isWanted, now);
    if (attempt === CONTACT_ATTEMPTS) this.peerBubbles.askMeetingRelay(path, now);
    this.peerBubbles.sendDirect(path, now);
    // Between NATs that count, an Echo Test under way would take the ports that are predicted.
    if (isSoon && this.guessing.habit === 'counting') this.peerBubbles.sendIndirect(path, now);
    else this.sockets.requestIndirect(path, isWanted, now);
  }

  /**
   * Our server has forwarded this peer's bubble. Returns the place to which the peer is sent from now on, if it has shown our nonce there before;
   * undefined: nothing changes.
   */
  handleIndirect(
    peer: number,
    buffer: Uint8Array,
    trailers: Readonly<Trailers>,
    isWanted: boolean,
    now: number,
  ): Place | undefined {
    return this.indirect.handle(this.paths.provide(peer), buffer, trailers, isWanted, now);
  }

  /** Whether an indirect bubble counts. While a guess is agreed with the peer, it must echo our token. */
  admits(peer: number, { guess }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    return path === undefined || this.guessing.admits(path, guess);
  }

  /** Whether an indirect bubble shows that its sender has received ours. */
  echoedOurToken(peer: number, { guess }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    return path !== undefined && this.guessing.echoedOurToken(path, guess);
  }

  /** Whether the sender of a direct bubble with these trailers has received our indirect one. E-27 */
  proves(peer: number, buffer: Uint8Array, { nonce }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || nonce === undefined) return false;
    const shown = readUint32(buffer, nonce);
    return shown !== 0 && (shown === path.nonceSent || shown === path.nonceBefore);
  }

  /** Whether packets reach the peer where it is sent to, for all that is known. */
  isReached(peer: number, now: number): boolean {
    const path = this.paths.get(peer);
    return path === undefined ? this.context.peers.isValid(peer, now) : isReached(this.context, path, now);
  }

  /**
   * A peer has shown our nonce at this place. Returns the pair to which it is sent from now on; undefined: nothing changes. `isPreferred`: the
   * caller has a reason to move a peer that is reached.
   */
  moveTo(
    peer: number,
    place: Place,
    trailers: Readonly<Trailers>,
    isPreferred: boolean,
    now: number,
  ): Endpoint | undefined {
    return this.places.moveTo(this.paths.provide(peer), place, trailers, isPreferred, now);
  }

  /** Whether a trusted peer sends from this place too, where it has shown our nonce, while it is sent to another one. */
  sendsFrom(
    peer: number,
    address: number,
    port: number,
    socket: SocketId,
  ): 'usually' | 'perhaps' | undefined {
    const path = this.paths.get(peer);
    return path === undefined ? undefined : this.gateways.sendsFrom(path, address, port, socket);
  }

  /** A bubble to the place from which a peer was heard: the peer cannot know yet that its own one has arrived. */
  confirm(peer: number, place: Place, byNonce: boolean, now: number): void {
    if (byNonce) this.peerBubbles.confirmShown(this.paths.provide(peer), place, now);
    else this.peerBubbles.confirm(peer, this.paths.get(peer)?.nonceReceived ?? 0, place, now);
  }

  /** A packet of this host goes to a peer that has a socket of its own. E-62 */
  noteSent(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastData = now;
    path.refreshes = 0;
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
    this.caused.count(this.paths.provide(peer), now);
  }

  /** Peers that have sent packets until a moment ago. Each one comes once after its last packet. */
  takeSilentTalkers(now: number): Iterable<number> {
    return takeSilentTalkers(this.paths.all(), now);
  }

  /**
   * Whether a silent peer is asked soon: our symmetric NAT has admitted it a short while ago, and no sign has come that it hears us; or it was
   * guessed, and would take long to find again.
   */
  isUnconfirmed(peer: number, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined) return false;
    return path.isGuessed || (this.context.qualified!.symmetric && path.hearing.isUnconfirmed(now));
  }

  /** Whether a peer may return from its own socket to the service port: not where that has turned out to lead nowhere. E-72 */
  mayReturn(peer: number): boolean {
    return !this.reachability.natAdmitsDeafPeers && this.paths.get(peer)?.hearing.isWithoutSign !== false;
  }

  /**
   * A datagram has come from the peer's place, by this socket. `sign`: the peer hears us there, since only then it sends packets, or answers a
   * solicitation.
   */
  noteAtPlace(
    peer: number,
    socket: SocketId,
    sign: 'packet' | 'advertisement' | undefined,
    now: number,
  ): void {
    this.serverLoad.drop(peer);
    const path = this.paths.get(peer);
    if (path === undefined) return;
    if (sign === 'packet') path.lastPacket = now;
    if (isPlaceUnproven(this.context, path)) return;
    path.lastAtPlace = now;
    if (sign === undefined) return;
    this.reachability.noteSign(path, now);
    if (socket === SOCKET.service && path.ownSocket !== 0) this.sockets.close(path);
    this.guessing.end(path);
  }

  /** Whether the peer has been silent at its place for a while: its NAT may have lost that mapping. */
  isSilentAtPlace(peer: number, socket: SocketId, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || now - path.lastAtPlace < SILENT_MS) return false;
    return socket !== SOCKET.service || this.context.peers.socket[peer] === SOCKET.service;
  }

  /** Whether the peer has sent us a nonce, and may drop bubbles without it. */
  needsNonce(peer: number): boolean {
    return (this.paths.get(peer)?.nonceReceived ?? 0) !== 0;
  }

  /** A trusted peer's bubble has come from its place. */
  hear(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, socket: SocketId, now: number): void {
    const path = this.paths.get(peer);
    const isUnproven = path !== undefined && isPlaceUnproven(this.context, path);
    if (isUnproven && this.proves(peer, buffer, trailers)) this.settle(peer, socket, true, now);
  }

  /** The peer is trusted, by this socket. E-70, E-72 */
  settle(peer: number, socket: SocketId, byNonce: boolean, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.byNonce = byNonce;
    const { mappedAddress, mappedPort } = this.context.peers;
    if (this.context.isMeetingPoint(mappedAddress[peer]!, mappedPort[peer]!)) this.sockets.cancelTest(path);
    if (isPlaceUnproven(this.context, path)) return; // the search for another way continues
    const isGuessed = this.guessing.settle(path, socket, now);
    // A new place was guessed or not; at the same one nothing changes.
    path.isGuessed = isGuessed || (path.isGuessed && socket === path.ownSocket);
    if (isGuessed) this.guessedAddresses.add(mappedAddressOf(this.context.peers.address(peer), 0));
    const keepsSocket = this.reachability.keepsSocket(path, socket);
    if (!keepsSocket) {
      this.sockets.keepOnly(path, socket);
      if (!this.guessing.isUnderway(path)) this.guessing.end(path);
    }
    const leadsBack = isGuessed || !keepsSocket;
    if (leadsBack) this.reachability.cancelQuestion(path);
    path.hearing.settle(leadsBack, now);
    path.lastAtPlace = now;
    if (socket !== SOCKET.service) this.sockets.beginRefreshing(now);
    path.shownFrom = undefined;
    path.lastData = now;
    path.refreshes = 0;
    this.reachability.handleSettled(path, now);
  }

  /** A trusted peer asks whether we are still there. E-112 */
  advertise(peer: number, now: number): void {
    this.serverLoad.advertise(peer, now);
  }

  /** For status. */
  progressOf(peer: number): Omit<ContactProgress, 'state' | 'attempts' | 'mapped' | 'means'> {
    const path = this.paths.get(peer);
    return {
      isHeardThroughServer: this.needsNonce(peer),
      ownPorts: this.guessing.habit,
      peerPorts: path?.habit,
      expectedPort: path?.randomPort || undefined,
      peerExpectedPort: path?.peerRandomPort || undefined,
      isTesting: path !== undefined && this.sockets.isTesting(path),
      ...this.guessing.progressOf(path),
    };
  }

  /** A socket of a single peer could not be opened. */
  socketFailed(socket: SocketId, now: number): void {
    const path = this.pathOf(socket);
    if (path?.ownSocket === socket) this.sockets.handleFailure(path, now);
    else if (path !== undefined) this.guessing.handleFailure(path, socket);
  }

  /** The peer is forgotten. */
  drop(peer: number): void {
    this.serverLoad.drop(peer);
    const path = this.paths.take(peer);
    if (path === undefined) return;
    this.reachability.cancelQuestion(path);
    this.guessing.drop(path);
    this.sockets.drop(path);
  }

  pollTimeout(): number {
    return Math.min(this.sockets.pollTimeout(), this.guessing.pollTimeout(), this.reachability.pollTimeout());
  }

  private pathOf(socket: SocketId): PeerPath | undefined {
    const owner = this.pool.ownerOf(socket);
    return owner === undefined ? undefined : this.paths.get(owner);
  }

  /**
   * Whether a guess is offered in the first round already: a guess has helped before. Behind a counting NAT it must have helped with a peer at
   * this address, which may have lost its mapping.
   */
  private guessesSoon(target: Uint8Array): boolean {
    if (this.guessing.habit !== 'counting') return !this.guessedAddresses.isEmpty;
    return !this.reachability.natAdmitsDeafPeers && this.guessedAddresses.has(mappedAddressOf(target, 0));
  }

  /** A trusted peer does not hear us where it is sent to. */
  private tryOtherWays(path: PeerPath, now: number): void {
    if (!this.caused.isLeft(path.peer, now)) return;
    this.caused.count(path, now);
    this.guessing.offer(path, path.isWanted, now);
    this.peerBubbles.sendDirect(path, now);
    this.sockets.requestIndirect(path, path.isWanted, now);
  }
}
