import { BUBBLE_SPACING_MS, PEER_VALIDITY_MS } from '../constants.ts';
import { randomUint32 } from '../entropy.ts';
import { TRUSTED } from '../peer-table.ts';
import type { SocketId } from '../socket-id.ts';
import type { ReceivedAdvertisement } from '../client/advertisement.ts';
import type { BubbleTrailers, Bubbles } from '../client/bubbles.ts';
import type { ClientContext } from '../client/context.ts';
import { SOCKET } from '../client/options.ts';
import type { PeerMeans } from '../client/status.ts';
import { isTeredo, mappedAddressOf, mappedPortOf, readUint32 } from '../../wire/index.ts';
import type { Endpoint, Trailers } from '../../wire/index.ts';
import { EchoTests } from './echo-tests.ts';
import { Guessing } from './guessing.ts';
import { PeerPaths } from './peer-paths.ts';
import type { PeerPath, PeerPlace } from './peer-paths.ts';
import { RandomPorts } from './random-ports.ts';

/** RFC 6081 section 5.4.2.1: Peer Refresh Timer, and how often it keeps the way to an idle peer open. */
const REFRESH_MS = 30_000;
const REFRESHES_MOST = 20;
/** A valid peer that still asks so long after it was trusted, and has sent nothing but bubbles for so long, does not hear us. */
const DOUBT_MS = 1_000;
/** The peer may have opened its NAT to our bubble only after it came: another one follows. */
const AGAIN_MS = 500;
/** For so long at the most it is asked oftener whether it hears us. */
const UNCONFIRMED_MS = 10_000;
/** Who has been silent for so long where it is sent to, and shows our nonce elsewhere, is sent to there. */
const SILENT_MS = 2_000;
/** Bubbles to new places of a peer within the spacing of others. */
const CONFIRMATIONS = 4;
/** Places besides its own from where a peer is heard. */
const ADMITTED_MOST = 4;

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
  private readonly bubbles: Bubbles;
  private readonly paths = new PeerPaths();
  private readonly ports: RandomPorts;
  private readonly echo: EchoTests;
  private readonly guessing: Guessing;
  private refreshAt = Infinity;
  /** Guesses have brought somebody here: where nothing else helps, they are offered at once. */
  private hasGuessed = false;
  /** When to send from a peer's socket once more. */
  private readonly again = new Map<number, number>();

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.bubbles = bubbles;
    this.ports = new RandomPorts(context);
    this.echo = new EchoTests(context, {
      sendBubble: (peer, socket, now) => this.sendFrom(peer, socket, now),
      predicted: (peer, port, now) => this.handlePrediction(peer, port, now),
    });
    this.guessing = new Guessing(context, bubbles, this.paths, this.ports, (peer, now) =>
      this.sendIndirect(peer, context.peers.address(peer), now),
    );
  }

  /** Whose socket that is. */
  ownerOf(socket: SocketId): number | undefined {
    return this.ports.ownerOf(socket);
  }

  /** How a trusted peer is reached. */
  meansOf(peer: number): PeerMeans {
    const { context } = this;
    const { peers, policy } = context;
    const target = peers.address(peer);
    if (!isTeredo(target, 0)) return 'relay';
    const path = this.paths.get(peer);
    const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
    const isService = peers.socket[peer] === SOCKET.service;
    if (isService && mappedAddressOf(target, 0) === address && mappedPortOf(target, 0) === port)
      return 'direct';
    if (context.isLocalAddress(address) || !policy.isGlobalUnicast(address)) return 'local';
    if (path?.isGuessed === true) return 'guess';
    return isService && port !== path?.peerRandomPort ? 'nonce' : 'random-port';
  }

  handleAdvertisement(socket: SocketId, received: ReceivedAdvertisement): void {
    const peer = this.ports.ownerOf(socket);
    if (peer === undefined || this.guessing.handleAdvertisement(peer, received)) return;
    this.echo.handleAdvertisement(peer, received);
  }

  handleTimeout(now: number): void {
    this.echo.handleTimeout(now);
    this.guessing.handleTimeout(now);
    this.repeat(now);
    if (now < this.refreshAt) return;
    this.refreshAt = Infinity;
    for (const [peer, path] of this.paths.withSocket()) this.refresh(peer, path, now);
  }

  /** Bubbles on all ways to the peer, and one through its server. CL-65, A-4 */
  sendRound(peer: number, target: Uint8Array, attempt: number, now: number): void {
    // Between NATs that count, Echo Tests under way would take the ports that are foretold.
    const isSoon = this.hasGuessed && this.guessing.habit !== 'counting';
    if (attempt > 1 || isSoon) this.guessing.offer(peer, now);
    this.sendDirect(peer, target, now);
    this.requestIndirect(peer, target, now);
  }

  /**
   * Our server has forwarded this peer's bubble: what it says is kept, and answered on all ways by which the peer may be waiting.
   * RFC 6081 sections 5.2.4.3, 5.4.4.4, 5.6.4.2
   */
  handleIndirect(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, now: number): void {
    const path = this.paths.provide(peer);
    this.remember(path, buffer, trailers);
    const { peers } = this.context;
    const target = peers.address(peer);
    const isQuiet = now - path.settledAt >= DOUBT_MS && now - path.lastHeard >= DOUBT_MS;
    if (isQuiet && !path.isDoubted && peers.isValid(peer, now)) {
      path.isDoubted = true;
      this.guessing.offer(peer, now);
      this.requestIndirect(peer, target, now);
    }
    if (this.isSettled(peer, now) && !this.hasAnother(peer)) {
      this.confirm(peer, peers.mappedAddress[peer], peers.mappedPort[peer], peers.socket[peer], now); // E-94
      return;
    }
    this.openPreserved(peer, path, now);
    this.bubbles.replyAll(target, 0, this.placesOf(target, path), now, { nonce: path.nonceReceived });
    this.sendFromRandom(peer, target, path, now);
    if (trailers.guess !== undefined) this.guessing.handle(peer, trailers.guess, now);
  }

  /** A direct bubble with these trailers was sent by whoever got our indirect one. E-27 */
  proves(peer: number, buffer: Uint8Array, { nonce }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || nonce === undefined) return false;
    const shown = readUint32(buffer, nonce);
    return shown !== 0 && (shown === path.nonceSent || shown === path.nonceBefore);
  }

  /**
   * The peer has shown our nonce, from this place for the first time: an earlier bubble to there may have opened our NAT and gone no farther, so
   * that the spacing of replies does not hold for this one. But two sides that each find another place better would go on for ever.
   */
  confirmShown(peer: number, { address, port, socket }: PeerPlace, now: number): void {
    const path = this.paths.provide(peer);
    if (now - path.confirmedAt >= BUBBLE_SPACING_MS) [path.confirmedAt, path.confirmations] = [now, 0];
    if (++path.confirmations > CONFIRMATIONS) {
      this.confirm(peer, address, port, socket, now);
      return;
    }
    const nonce = path.nonceReceived;
    const trailers = { nonce, guess: this.guessing.proofFor(peer) };
    this.bubbles.sendDirect(this.context.peers.address(peer), { address, port }, trailers, now, socket);
  }

  /** Whether what has come by this socket shows a way that goes back, too. */
  isMutual(peer: number, socket: SocketId, port: number, { guess }: Readonly<Trailers>): boolean {
    return socket === SOCKET.service || this.guessing.isMutual(peer, socket, port, guess);
  }

  /** The peer has been heard from this pair, and cannot know of that yet. */
  confirm(peer: number, address: number, port: number, socket: SocketId, now: number): void {
    const { context } = this;
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    // From another pair than our address says it would be taken for forged, and keep the one with the nonce back.
    const isForged = context.qualified!.symmetric && context.policy.isGlobalUnicast(address);
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
  mayTrust(peer: number, address: number, port: number, socket: SocketId): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || path.nonceReceived !== 0 || this.isSeenAsAddressSays(address)) return true;
    path.shownFrom = { address, port, socket };
    return false;
  }

  /** That place, once the nonce has come. */
  takeShown(peer: number): PeerPlace | undefined {
    const path = this.paths.get(peer);
    if (path === undefined || path.nonceReceived === 0) return undefined;
    const { shownFrom } = path;
    path.shownFrom = undefined;
    return shownFrom;
  }

  /** Whether the peer is valid, and nothing speaks against its hearing us. */
  isSettled(peer: number, now: number): boolean {
    return this.context.peers.isValid(peer, now) && this.paths.get(peer)?.isDoubted !== true;
  }

  /**
   * Whether the peer is reached by our service port, through a symmetric NAT, while the socket that was opened for it may turn out to be the
   * better way: no packet of the peer has shown yet that it hears us.
   */
  hasAnother(peer: number): boolean {
    const path = this.paths.get(peer);
    return path !== undefined && path.random !== 0 && this.context.peers.socket[peer] === SOCKET.service;
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

  /**
   * A valid peer has shown our nonce from elsewhere. It stays where it is sent to, since a symmetric NAT would show it yet another pair of
   * ours there, but may come from there: the two ways of a pair need not be the same.
   */
  admit(peer: number, place: PeerPlace, now: number): void {
    const isNew = this.admitTo(this.paths.provide(peer), place);
    // By another socket it may be the one way that it hears us.
    if (place.socket === this.context.peers.socket[peer]) return;
    if (isNew) this.confirmShown(peer, place, now);
    else this.confirm(peer, place.address, place.port, place.socket, now);
  }

  isAdmitted(peer: number, address: number, port: number, socket: SocketId): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || path.admitted.length === 0) return false;
    return isAmong(path.admitted, { address, port, socket });
  }

  /** The peer is about to be sent to elsewhere: it may go on coming from here. */
  leave(peer: number): void {
    const { peers } = this.context;
    const path = this.paths.get(peer);
    if (path === undefined || peers.status[peer] !== TRUSTED) return;
    const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
    this.admitTo(path, { address, port, socket: peers.socket[peer]! });
  }

  /** Something has come from where the peer is sent to, by this socket. */
  noteAtPlace(peer: number, socket: SocketId, isData: boolean, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastAtPlace = now;
    if (isData) this.noteHeard(peer, socket, now);
  }

  /**
   * Whether nothing has come from where the peer is sent to for a while, so that it may be sent to where it shows our nonce by this socket: its
   * NAT may have lost that mapping. From the socket that was opened for it there is no way back to the service port: that is no better.
   */
  isSilentAtPlace(peer: number, socket: SocketId, now: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || now - path.lastAtPlace < SILENT_MS) return false;
    return socket !== SOCKET.service || this.context.peers.socket[peer] === SOCKET.service;
  }

  /** A packet has come from a trusted peer, by this socket: it hears us. */
  noteHeard(peer: number, socket: SocketId, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastHeard = now;
    path.isDoubted = false;
    if (socket === SOCKET.service && path.random !== 0) {
      this.echo.cancel(peer);
      this.closeRandom(peer, path);
    }
    this.guessing.end(peer);
  }

  /**
   * The peer is trusted, by way of this socket. E-70, E-72. That it reaches our service port through a symmetric NAT that lets everybody in
   * says nothing of the way back: what else was begun goes on until the peer is seen to hear us.
   */
  settle(peer: number, socket: SocketId, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    const isGuessed = this.guessing.settle(peer, now);
    // A new place is by a guess or not; the same one, as it was.
    path.isGuessed = isGuessed || (path.isGuessed && socket === path.random);
    this.hasGuessed ||= isGuessed;
    if (isGuessed) path.isDoubted = false; // what else is still on its way is of no more use
    if (socket !== SOCKET.service || !this.context.qualified!.symmetric) {
      this.echo.cancel(peer);
      if (socket !== path.random) this.closeRandom(peer, path);
      path.random = socket;
    }
    if (path.random !== 0) this.refreshAt = Math.min(this.refreshAt, now + REFRESH_MS);
    // What follows upon what has not helped is no new beginning.
    if (path.lastHeard >= path.settledAt || now - path.settledAt >= UNCONFIRMED_MS) path.settledAt = now;
    path.lastAtPlace = now;
    path.shownFrom = undefined;
    path.lastData = now;
    path.refreshes = 0;
  }

  /** A packet went to a peer that has a socket of its own. E-62 */
  noteData(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastData = now;
    path.refreshes = 0;
  }

  /** One more indirect bubble: the peer has asked, and may need ours. E-30 */
  requestIndirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.provide(peer);
    if (this.needsRandom(peer, path, now) && !this.openPreserved(peer, path, now)) {
      path.random = this.ports.open(peer);
      if (path.random !== 0) {
        this.echo.begin(peer, path.random, now); // E-80
        return;
      }
    }
    if (!this.echo.isUnderway(peer)) this.sendIndirect(peer, target, now);
  }

  /** The peer is forgotten. */
  drop(peer: number): void {
    this.echo.cancel(peer);
    this.again.delete(peer);
    const path = this.paths.take(peer);
    this.guessing.end(peer);
    if (path !== undefined) this.closeRandom(peer, path);
  }

  pollTimeout(): number {
    // The first is due first: all wait for the same time.
    const [again = Infinity] = this.again.values();
    return Math.min(this.refreshAt, again, this.echo.pollTimeout(), this.guessing.pollTimeout());
  }

  private admitTo(path: PeerPath, place: PeerPlace): boolean {
    if (isAmong(path.admitted, place)) return false;
    path.admitted = [place, ...path.admitted].slice(0, ADMITTED_MOST);
    return true;
  }

  private needsRandom(peer: number, path: PeerPath, now: number): boolean {
    return this.context.qualified!.symmetric && path.random === 0 && !this.isSettled(peer, now);
  }

  /** Behind a NAT that preserves ports: a new socket's is known at once. E-61, E-63 */
  private openPreserved(peer: number, path: PeerPath, now: number): boolean {
    if (!this.context.preservesPorts || !this.needsRandom(peer, path, now)) return false;
    const port = this.ports.pick();
    path.random = this.ports.open(peer, port);
    path.randomPort = path.random === 0 ? 0 : port;
    return path.random !== 0;
  }

  private sendDirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.get(peer);
    const nonce = path?.nonceReceived ?? 0; // E-22, E-23
    for (const place of this.placesOf(target, path)) this.bubbles.sendDirect(target, place, { nonce }, now);
    if (path !== undefined) this.sendFromRandom(peer, target, path, now);
  }

  /**
   * To where a symmetric peer expects its NAT to let us in, or to where one that has named no such port is, from where we expect ours to let it
   * in. Not before it has spoken: the first bubble takes the port that a NAT preserves. E-65
   */
  private sendFromRandom(peer: number, target: Uint8Array, path: PeerPath, now: number): void {
    const port = path.peerRandomPort || mappedPortOf(target, 0);
    if (port === path.shotAtPort && now - path.shotAt < AGAIN_MS) return; // the other one is to come
    const isFirst = now - path.shotAt >= BUBBLE_SPACING_MS || port !== path.shotAtPort;
    if (!this.shootFromRandom(target, path, now)) return;
    path.shotAt = now;
    path.shotAtPort = port;
    this.again.delete(peer); // to the end of the line
    if (isFirst) this.again.set(peer, now + AGAIN_MS);
  }

  private shootFromRandom(target: Uint8Array, path: PeerPath, now: number): boolean {
    if (path.random === 0 || path.randomPort === 0 || !path.hasSpoken) return false;
    const port = path.peerRandomPort || mappedPortOf(target, 0);
    const place = { address: mappedAddressOf(target, 0), port };
    const trailers = { nonce: path.nonceReceived, randomPort: path.randomPort };
    this.bubbles.sendDirect(target, place, trailers, now, path.random);
    return true;
  }

  private repeat(now: number): void {
    for (const [peer, at] of this.again) {
      if (now < at) return;
      this.again.delete(peer);
      const path = this.paths.get(peer);
      const isOpen = path !== undefined && (!this.isSettled(peer, now) || this.hasAnother(peer));
      if (isOpen) this.shootFromRandom(this.context.peers.address(peer), path, now);
    }
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

  /** Our pair on our own link, for who is behind the same NAT. E-91 */
  private alternates(): Endpoint[] {
    const { network, servicePort, natKind } = this.context;
    if (network.localAddress === undefined || servicePort === undefined || natKind === 'none') return [];
    return [{ address: network.localAddress, port: servicePort }];
  }

  private newNonce(): number {
    return randomUint32(this.context.entropy) || this.newNonce(); // E-32, E-33
  }

  private remember(path: PeerPath, buffer: Uint8Array, trailers: Readonly<Trailers>): void {
    path.hasSpoken = true;
    path.nonceReceived = trailers.nonce === undefined ? 0 : readUint32(buffer, trailers.nonce); // E-24
    path.alternates = trailers.alternates ?? [];
    if (trailers.randomPort !== undefined) path.peerRandomPort = trailers.randomPort;
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
    path.randomPort = port ?? 0;
    this.sendIndirect(peer, target, now);
    this.sendFromRandom(peer, target, path, now);
  }

  /** E-75 */
  private refresh(peer: number, path: PeerPath, now: number): void {
    const { peers } = this.context;
    if (peers.status[peer] !== TRUSTED || peers.socket[peer] !== path.random) {
      if (now - peers.lastBubble[peer] >= PEER_VALIDITY_MS) this.closeRandom(peer, path); // the contact has failed
      else this.refreshAt = now + REFRESH_MS;
      return;
    }
    if (now - path.lastData < REFRESH_MS) path.refreshes = 0;
    else if (path.refreshes < REFRESHES_MOST) {
      path.refreshes++;
      this.confirm(peer, peers.mappedAddress[peer], peers.mappedPort[peer], path.random, now);
    } else {
      peers.distrust(peer);
      this.closeRandom(peer, path);
      return;
    }
    this.refreshAt = now + REFRESH_MS;
  }

  private closeRandom(peer: number, path: PeerPath): void {
    this.ports.close(peer, path.random);
    path.random = path.randomPort = 0;
  }
}

function isAmong(places: readonly PeerPlace[], { address, port, socket }: PeerPlace): boolean {
  return places.some((one) => one.address === address && one.port === port && one.socket === socket);
}
