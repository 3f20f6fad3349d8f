import { TRUSTED } from '../../peer-table.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { DueTimes } from './due-times.ts';
import { EchoTests } from './echo-tests.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, PeerPaths } from './peer-paths.ts';
import { isReached } from './peer-state.ts';
import type { SocketPool } from './socket-pool.ts';

/** RFC 6081 section 5.4.2.1: Peer Refresh Timer, and how often it keeps the way to an idle peer open. */
const REFRESH_MS = 30_000;
const REFRESHES_MOST = 20;
/** As long as an attempt at a contact, by us or by the peer, may need the socket that it has been told of. */
export const ATTEMPT_MS = 10_000;
/** What follows upon an indirect bubble comes so long after it. */
const FOLLOW_MS = 20;
/** A bubble to a peer that has to open its NAT first, which it may have done by then: half a round trip by way of its server. */
const AGAIN_MS = 400;

/**
 * Sockets that are one peer's alone, behind a symmetric NAT: opened for an attempt, on a port that the NAT keeps or whose external one an Echo Test
 * has foretold, tried, kept open while the peer is reached by them, and closed. RFC 6081 sections 5.4, 5.5
 */
export class PeerSockets {
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;
  private readonly ports: SocketPool;
  private readonly bubbles: PeerBubbles;
  private readonly echo: EchoTests;
  /** Until the sockets of peers that have not been reached by them are closed. */
  private readonly closing = new DueTimes(ATTEMPT_MS);
  /** Until a bubble goes from a peer's socket, and goes once more. */
  private readonly following = new DueTimes(FOLLOW_MS);
  private readonly again = new DueTimes(AGAIN_MS);
  private refreshAt = Infinity;

  constructor(context: ClientContext, paths: PeerPaths, ports: SocketPool, bubbles: PeerBubbles) {
    this.context = context;
    this.paths = paths;
    this.ports = ports;
    this.bubbles = bubbles;
    this.echo = new EchoTests(context, {
      sendBubble: (peer, socket, now) => bubbles.sendFrom(peer, socket, now),
      predicted: (peer, port, now) => this.handlePrediction(peer, port, now),
    });
  }

  handleAdvertisement(peer: number, received: ReceivedAdvertisement): void {
    this.echo.handleAdvertisement(peer, received);
  }

  handleTimeout(now: number): void {
    this.echo.handleTimeout(now);
    for (const peer of this.following.due(now)) this.sendLater(peer, now);
    for (const peer of this.again.due(now)) this.sendLater(peer, now);
    this.closeUnused(now);
    if (now < this.refreshAt) return;
    this.refreshAt = Infinity;
    for (const [peer, path] of this.paths.withSocket()) this.refresh(peer, path, now);
  }

  /** One more indirect bubble: the peer has asked, and may need ours. E-30 */
  requestIndirect(peer: number, target: Uint8Array, isWanted: boolean, now: number): void {
    const path = this.paths.provide(peer);
    if (this.openPreserved(peer, path, isWanted, now)) {
      if (path.hasSpoken) this.following.begin(peer, now);
    } else if (this.mayOpen(peer, path, isWanted, now)) {
      path.ownSocket = this.ports.open(peer);
      path.randomPort = 0;
      this.keepFor(peer, path, now);
      if (path.ownSocket !== 0) {
        this.echo.begin(peer, path.ownSocket, now); // E-80
        return;
      }
    } else if (this.isSought(peer, path, now)) this.keepFor(peer, path, now);
    if (!this.echo.isUnderway(peer)) this.bubbles.sendIndirect(peer, target, now);
  }

  /** Behind a NAT that preserves ports: a new socket's is known at once. E-61, E-63 */
  openPreserved(peer: number, path: PeerPath, isWanted: boolean, now: number): boolean {
    if (!this.context.preservesPorts || !this.mayOpen(peer, path, isWanted, now)) return false;
    const port = this.ports.pick();
    path.ownSocket = this.ports.open(peer, port);
    path.randomPort = path.ownSocket === 0 ? 0 : port;
    this.keepFor(peer, path, now);
    return path.ownSocket !== 0;
  }

  /**
   * Whether the peer is reached by our service port while the socket that was opened for it may turn out to be the better way: no packet of the
   * peer has shown yet that it hears us.
   */
  hasAnother(peer: number): boolean {
    const path = this.paths.get(peer);
    if (path === undefined) return false;
    return path.ownSocket !== 0 && this.context.peers.socket[peer] === SOCKET.service;
  }

  /** A packet went to a peer that has a socket of its own. E-62 */
  noteData(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined) return;
    path.lastData = now;
    path.refreshes = 0;
  }

  isTesting(peer: number): boolean {
    return this.echo.isUnderway(peer);
  }

  /** The peer is reached, or is not looked for any more. E-87 */
  cancelTest(peer: number): void {
    this.echo.cancel(peer);
  }

  /** The peer is reached by this socket, and no other is needed: its own is kept, or closed. E-70, E-72, E-73 */
  keepOnly(peer: number, path: PeerPath, socket: SocketId): void {
    this.echo.cancel(peer);
    if (socket !== path.ownSocket) this.closeOwnSocket(peer, path);
    path.ownSocket = socket;
    this.closing.end(peer);
  }

  /** The peer is reached by a socket of its own, which the timer is to keep open. */
  beginRefreshing(now: number): void {
    this.refreshAt = Math.min(this.refreshAt, now + REFRESH_MS);
  }

  /** The attempt is over, or begins anew. */
  close(peer: number, path: PeerPath): void {
    this.echo.cancel(peer);
    this.closeOwnSocket(peer, path);
    this.closing.end(peer);
  }

  /** Nothing that was asked is answered any more. */
  interrupt(): void {
    this.echo.clear();
    this.following.clear();
    this.again.clear();
  }

  /** Its socket could not be opened: the peer is told of no port, and the next round of bubbles tries again. */
  handleFailure(peer: number, path: PeerPath, now: number): void {
    this.close(peer, path);
    this.following.end(peer);
    this.bubbles.sendIndirect(peer, this.context.peers.address(peer), now);
  }

  /** The peer is forgotten. */
  drop(peer: number, path: PeerPath | undefined): void {
    this.following.end(peer);
    this.again.end(peer);
    this.echo.cancel(peer);
    if (path !== undefined) this.closeOwnSocket(peer, path);
    this.closing.end(peer);
  }

  pollTimeout(): number {
    const parts = [this.echo, this.closing, this.following, this.again];
    return parts.reduce((at, part) => Math.min(at, part.pollTimeout()), this.refreshAt);
  }

  private mayOpen(peer: number, path: PeerPath, isWanted: boolean, now: number): boolean {
    return (
      this.isSought(peer, path, now) &&
      path.ownSocket === 0 &&
      (isWanted || this.ports.hasRoomForStranger(peer))
    );
  }

  private isSought(peer: number, path: PeerPath, now: number): boolean {
    return this.context.qualified!.symmetric && !isReached(this.context, path, peer, now);
  }

  /** The bubble from a socket of the peer's own, which opens our NAT to one that has named no port, comes after the indirect one. */
  private sendLater(peer: number, now: number): void {
    const path = this.paths.get(peer);
    if (path === undefined || (isReached(this.context, path, peer, now) && !this.hasAnother(peer))) return;
    this.bubbles.sendFromOwnSocket(this.context.peers.address(peer), path, now);
  }

  private handlePrediction(peer: number, port: number | undefined, now: number): void {
    const path = this.paths.provide(peer);
    const target = this.context.peers.address(peer);
    if (port === undefined) this.closeOwnSocket(peer, path); // the next round tests anew: E-80
    else path.randomPort = port;
    this.bubbles.sendIndirect(peer, target, now);
    this.bubbles.sendFromOwnSocket(target, path, now);
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
      const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
      this.bubbles.confirm(peer, { address, port, socket: path.ownSocket }, now);
    } else {
      peers.distrust(peer);
      this.closeOwnSocket(peer, path);
      return;
    }
    this.refreshAt = now + REFRESH_MS;
  }

  /** The attempt goes on. */
  private keepFor(peer: number, path: PeerPath, now: number): void {
    if (path.ownSocket !== 0 && !this.isReachedBy(peer, path)) this.closing.begin(peer, now);
    else this.closing.end(peer);
  }

  /** Contacts that have failed. */
  private closeUnused(now: number): void {
    for (const peer of this.closing.due(now)) {
      this.echo.cancel(peer);
      const path = this.paths.get(peer);
      if (path !== undefined) this.closeOwnSocket(peer, path);
    }
  }

  isReachedBy(peer: number, path: PeerPath): boolean {
    const { peers } = this.context;
    return peers.status[peer] === TRUSTED && peers.socket[peer] === path.ownSocket;
  }

  private closeOwnSocket(peer: number, path: PeerPath): void {
    if (path.shownFrom?.socket === path.ownSocket) path.shownFrom = undefined;
    this.ports.close(peer, path.ownSocket);
    path.ownSocket = path.randomPort = 0;
  }
}
