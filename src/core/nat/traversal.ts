import { PEER_VALIDITY_MS } from '../constants.ts';
import { randomUint32 } from '../entropy.ts';
import { TRUSTED } from '../peer-table.ts';
import type { SocketId } from '../socket-id.ts';
import type { ReceivedAdvertisement } from '../client/advertisement.ts';
import type { BubbleTrailers, Bubbles } from '../client/bubbles.ts';
import type { ClientContext } from '../client/context.ts';
import { SOCKET } from '../client/options.ts';
import { compareBytes, mappedAddressOf, readUint32 } from '../../wire/index.ts';
import type { Endpoint, Trailers } from '../../wire/index.ts';
import { EchoTests } from './echo-tests.ts';
import { Guessing } from './guessing.ts';
import { PeerPaths } from './peer-paths.ts';
import type { PeerPath } from './peer-paths.ts';
import { RandomPorts } from './random-ports.ts';

/** RFC 6081 section 5.4.2.1: Peer Refresh Timer, and how often it keeps the way to an idle peer open. */
const REFRESH_MS = 30_000;
const REFRESHES_MOST = 20;

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

  handleAdvertisement(socket: SocketId, received: ReceivedAdvertisement): void {
    const peer = this.ports.ownerOf(socket);
    if (peer === undefined || this.guessing.handleAdvertisement(peer, received)) return;
    this.echo.handleAdvertisement(peer, received);
  }

  handleTimeout(now: number): void {
    this.echo.handleTimeout(now);
    this.guessing.handleTimeout(now);
    if (now < this.refreshAt) return;
    this.refreshAt = Infinity;
    for (const [peer, path] of this.paths.withSocket()) this.refresh(peer, path, now);
  }

  /** Bubbles on all ways to the peer, and one through its server. CL-65, A-4 */
  sendRound(peer: number, target: Uint8Array, attempt: number, now: number): void {
    if (attempt > 1) this.guessing.offer(peer, now);
    this.sendDirect(peer, target, now);
    this.requestIndirect(peer, target, now);
  }

  /**
   * Our server has forwarded this peer's bubble: what it says is kept, and answered on all ways by which the peer may be waiting.
   * RFC 6081 sections 5.2.4.3, 5.4.4.4, 5.6.4.2
   */
  handleIndirect(peer: number, buffer: Uint8Array, trailers: Readonly<Trailers>, now: number): void {
    this.remember(this.paths.provide(peer), buffer, trailers);
    const { peers } = this.context;
    const target = peers.address(peer);
    if (peers.isValid(peer, now)) {
      this.confirm(peer, peers.mappedAddress[peer], peers.mappedPort[peer], peers.socket[peer], now); // E-94
      return;
    }
    const path = this.paths.get(peer)!;
    for (const { address, port } of this.placesOf(target, path)) {
      this.bubbles.reply(target, 0, address, port, now, { nonce: path.nonceReceived });
    }
    this.sendFromRandom(target, path, now);
    if (trailers.guess !== undefined) this.guessing.handle(peer, trailers.guess, now);
  }

  /** A direct bubble with these trailers was sent by whoever got our indirect one. E-27 */
  proves(peer: number, buffer: Uint8Array, { nonce }: Readonly<Trailers>): boolean {
    const path = this.paths.get(peer);
    if (path === undefined || nonce === undefined) return false;
    const shown = readUint32(buffer, nonce);
    return shown !== 0 && (shown === path.nonceSent || shown === path.nonceBefore);
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
  takeShown(peer: number): (Endpoint & { readonly socket: SocketId }) | undefined {
    const path = this.paths.get(peer);
    if (path === undefined || path.nonceReceived === 0) return undefined;
    const { shownFrom } = path;
    path.shownFrom = undefined;
    return shownFrom;
  }

  /**
   * A peer that is reached at one pair has shown our nonce from another. Where gateways of both let anybody in, each may have come through
   * to the other at about the same time: the one of the lower address then goes by the other's gateway, and the other agrees.
   */
  prefers(peer: number, address: number, port: number, socket: SocketId): boolean {
    const { context } = this;
    const { gateway, policy, peers } = context;
    if (gateway === undefined || socket !== SOCKET.service || !policy.isGlobalUnicast(address)) return false;
    const alternates = this.paths.get(peer)?.alternates ?? [];
    const isGateway = (pair: Endpoint): boolean =>
      alternates.some((one) => one.address === pair.address && one.port === pair.port);
    const present = { address: peers.mappedAddress[peer], port: peers.mappedPort[peer] };
    const isLower = compareBytes(context.address!, peers.address(peer)) < 0;
    const [better, worse] = isLower ? [{ address, port }, present] : [present, { address, port }];
    return isGateway(better) && !isGateway(worse);
  }

  /**
   * Where a peer that has shown our nonce from a pair is sent to. Behind a symmetric NAT that a gateway has opened, a peer that seems to be
   * behind a symmetric one too is sent to where its address says: its NAT may have been opened the same way. Not so one that has named
   * another place where its NAT is open. E-48, E-49, E-50
   */
  placeFor(peer: number, address: number, port: number, socket: SocketId): Endpoint {
    const { context } = this;
    const alternates = this.paths.get(peer)?.alternates ?? [];
    const isOpened = context.qualified!.symmetric && context.isGatewayTheNat;
    if (!isOpened || socket !== SOCKET.service || !context.policy.isGlobalUnicast(address))
      return { address, port };
    if (alternates.some((one) => context.policy.isGlobalUnicast(one.address))) return { address, port };
    return this.bubbles.pairIn(context.peers.address(peer), 0);
  }

  /** The peer may send from this pair too. */
  noteAlso(peer: number, address: number, port: number, socket: SocketId): void {
    const path = this.paths.get(peer);
    if (path !== undefined) path.alsoFrom = { address, port, socket };
  }

  /** Whether it has shown our nonce from there, while it was reached elsewhere. */
  isAlsoAt(peer: number, address: number, port: number, socket: SocketId): boolean {
    const also = this.paths.get(peer)?.alsoFrom;
    return also !== undefined && also.address === address && also.port === port && also.socket === socket;
  }

  /** The peer is trusted, by way of this socket. E-70, E-72 */
  settle(peer: number, socket: SocketId, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    this.echo.cancel(peer);
    this.guessing.end(peer, socket);
    if (socket !== path.random) this.closeRandom(path);
    path.random = socket;
    if (socket !== SOCKET.service) this.refreshAt = Math.min(this.refreshAt, now + REFRESH_MS);
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
    const { context } = this;
    const path = this.paths.provide(peer);
    if (context.qualified!.symmetric && !context.peers.isValid(peer, now) && path.random === 0) {
      const isPreserving = context.mapped!.port === context.options.servicePort; // E-61
      const port = isPreserving ? this.ports.pick() : undefined;
      path.random = this.ports.open(peer, port);
      if (path.random !== 0 && port === undefined) {
        this.echo.begin(peer, path.random, now); // E-80
        return;
      }
      path.randomPort = path.random === 0 ? 0 : port!; // E-63
    }
    if (!this.echo.isUnderway(peer)) this.sendIndirect(peer, target, now);
  }

  /** The peer is forgotten. */
  drop(peer: number): void {
    this.echo.cancel(peer);
    this.guessing.end(peer);
    const path = this.paths.take(peer);
    if (path !== undefined) this.closeRandom(path);
  }

  pollTimeout(): number {
    return Math.min(this.refreshAt, this.echo.pollTimeout(), this.guessing.pollTimeout());
  }

  private sendDirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.get(peer);
    const nonce = path?.nonceReceived ?? 0; // E-22, E-23
    for (const place of this.placesOf(target, path)) this.bubbles.sendDirect(target, place, { nonce }, now);
    if (path !== undefined) this.sendFromRandom(target, path, now);
  }

  /** To where a symmetric peer expects its NAT to let us in, from where we expect ours to let it in. E-65 */
  private sendFromRandom(target: Uint8Array, path: PeerPath, now: number): void {
    if (path.random === 0 || path.peerRandomPort === 0) return;
    const place = { address: mappedAddressOf(target, 0), port: path.peerRandomPort };
    const trailers = { nonce: path.nonceReceived, randomPort: path.randomPort };
    this.bubbles.sendDirect(target, place, trailers, now, path.random);
  }

  /** Where the peer may be reached from the service port. E-66, E-93 */
  private placesOf(target: Uint8Array, path: PeerPath | undefined): Endpoint[] {
    const places = [this.bubbles.pairIn(target, 0)];
    if (path === undefined) return places;
    if (path.peerRandomPort !== 0 && path.random === 0)
      places.push({ address: mappedAddressOf(target, 0), port: path.peerRandomPort });
    return [...places, ...path.alternates.filter((one) => this.mayBePeer(one))];
  }

  private mayBePeer({ address, port }: Endpoint): boolean {
    const { policy, network, options } = this.context;
    const isSelf = address === network.localAddress && port === options.servicePort;
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

  /** Our pair on our own link, for who is behind the same NAT, and that at which ours may let anybody in. E-91 */
  private alternates(): Endpoint[] {
    const { network, options, natKind } = this.context;
    const pairs: Endpoint[] = [];
    if (network.localAddress !== undefined && options.servicePort !== undefined && natKind !== 'none')
      pairs.push({ address: network.localAddress, port: options.servicePort });
    const open = this.openPair();
    if (open !== undefined) pairs.push(open);
    return pairs;
  }

  /**
   * What a gateway has mapped, unless the server sees the same. Without a gateway: a port that was chosen may have been forwarded by hand,
   * though a symmetric NAT does not show it. E-47, E-90
   */
  private openPair(): Endpoint | undefined {
    const { gateway, isGatewayTheNat, qualified, mapped, options } = this.context;
    if (gateway !== undefined) return isGatewayTheNat ? undefined : gateway;
    const { servicePort } = options;
    if (qualified?.symmetric !== true || servicePort === undefined || servicePort === mapped!.port)
      return undefined;
    return { address: mapped!.address, port: servicePort };
  }

  private newNonce(): number {
    return randomUint32(this.context.entropy) || this.newNonce(); // E-32, E-33
  }

  private remember(path: PeerPath, buffer: Uint8Array, trailers: Readonly<Trailers>): void {
    path.nonceReceived = trailers.nonce === undefined ? 0 : readUint32(buffer, trailers.nonce); // E-24
    path.alternates = trailers.alternates ?? [];
    if (trailers.randomPort !== undefined) path.peerRandomPort = trailers.randomPort;
  }

  private sendFrom(peer: number, socket: SocketId, now: number): void {
    const target = this.context.peers.address(peer);
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    this.bubbles.sendDirect(target, this.bubbles.pairIn(target, 0), { nonce }, now, socket);
  }

  private handlePrediction(peer: number, port: number | undefined, now: number): void {
    const path = this.paths.provide(peer);
    const target = this.context.peers.address(peer);
    path.randomPort = port ?? 0;
    this.sendIndirect(peer, target, now);
    this.sendFromRandom(target, path, now);
  }

  /** E-75 */
  private refresh(peer: number, path: PeerPath, now: number): void {
    const { peers } = this.context;
    if (peers.status[peer] !== TRUSTED || peers.socket[peer] !== path.random) {
      if (now - peers.lastBubble[peer] >= PEER_VALIDITY_MS) this.closeRandom(path); // the contact has failed
      else this.refreshAt = now + REFRESH_MS;
      return;
    }
    if (now - path.lastData < REFRESH_MS) path.refreshes = 0;
    else if (path.refreshes < REFRESHES_MOST) {
      path.refreshes++;
      this.confirm(peer, peers.mappedAddress[peer], peers.mappedPort[peer], path.random, now);
    } else {
      peers.distrust(peer);
      this.closeRandom(path);
      return;
    }
    this.refreshAt = now + REFRESH_MS;
  }

  private closeRandom(path: PeerPath): void {
    this.ports.close(path.random);
    path.random = path.randomPort = 0;
  }
}
