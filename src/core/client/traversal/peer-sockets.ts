import { TRUSTED } from '../../peer-table.ts';
import type { ReceivedAdvertisement } from '../ask/advertisement.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { DueTimes } from './due-times.ts';
import { EchoTests } from './echo-tests.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, PeerPaths } from './peer-path.ts';
import { isReached } from './peer-state.ts';
import type { SocketPool } from './socket-pool.ts';

/** RFC 6081 section 5.4.2.1: Peer Refresh Timer, and how often it keeps the way to an idle peer open. */
const REFRESH_MS = 30_000;
const MAX_REFRESHES = 20;
/** An attempt at a contact, by us or by the peer, may need for this long the socket whose port the peer has learned. */
export const ATTEMPT_MS = 10_000;
/** The bubble from the peer's own socket follows this long after the indirect one. */
const FOLLOW_MS = 20;
/** It is repeated after half a round trip through the peer's server: until then the peer may have opened its NAT. */
const AGAIN_MS = 400;

/**
 * Sockets for single peers, behind a symmetric NAT. Each is opened for an attempt, on a port that the NAT keeps or whose external port an Echo
 * Test predicts. It is kept open while the peer is reached by it, and closed otherwise. RFC 6081 sections 5.4, 5.5
 */
export class PeerSockets {
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;
  private readonly pool: SocketPool;
  private readonly bubbles: PeerBubbles;
  private readonly echo: EchoTests;
  /** Until a socket is closed because its peer was not reached by it. */
  private readonly closing = new DueTimes<PeerPath>(ATTEMPT_MS);
  /** Until a bubble goes from a peer's socket, and until it is repeated. */
  private readonly following = new DueTimes<PeerPath>(FOLLOW_MS);
  private readonly again = new DueTimes<PeerPath>(AGAIN_MS);
  private refreshAt = Infinity;

  constructor(context: ClientContext, paths: PeerPaths, pool: SocketPool, bubbles: PeerBubbles) {
    this.context = context;
    this.paths = paths;
    this.pool = pool;
    this.bubbles = bubbles;
    this.echo = new EchoTests(context, bubbles);
  }

  handleAdvertisement(path: PeerPath, received: ReceivedAdvertisement): void {
    const port = this.echo.handleAdvertisement(path, received);
    if (port !== undefined) this.handlePrediction(path, port, received.now);
  }

  handleTimeout(now: number): void {
    for (const path of this.echo.failed(now)) this.handlePrediction(path, undefined, now);
    for (const path of this.following.due(now)) this.sendLater(path, now);
    for (const path of this.again.due(now)) this.sendLater(path, now);
    for (const path of this.closing.due(now)) {
      this.echo.cancel(path);
      this.closeOwnSocket(path);
    }
    if (now < this.refreshAt) return;
    this.refreshAt = Infinity;
    for (const path of this.paths.withSocket()) this.refresh(path, now);
  }

  /**
   * One more indirect bubble: the peer has asked, and may need ours. Behind a symmetric NAT a peer that is not reached gets a socket first; where
   * the NAT counts its ports, the bubble waits for an Echo Test. E-30
   */
  requestIndirect(path: PeerPath, isWanted: boolean, now: number): void {
    const isSought = this.isSought(path, now);
    if (isSought && this.openPreserved(path, isWanted, now)) {
      if (path.hasSpoken) this.following.begin(path, now);
    } else if (isSought && !this.context.preservesPorts && this.mayOpen(path, isWanted)) {
      path.ownSocket = this.pool.open(path.peer);
      path.randomPort = 0;
      this.keepFor(path, now);
      if (path.ownSocket !== 0) {
        this.echo.begin(path, now); // E-80
        return;
      }
    } else if (isSought) this.keepFor(path, now);
    if (!this.echo.isUnderway(path)) this.bubbles.sendIndirect(path, now);
  }

  /**
   * For a peer that is not reached, behind a NAT that preserves ports: the external port of a new socket is known at once. Whether one was
   * opened. E-61, E-63
   */
  openPreserved(path: PeerPath, isWanted: boolean, now: number): boolean {
    if (!this.context.preservesPorts || !this.mayOpen(path, isWanted)) return false;
    const port = this.pool.pick();
    path.ownSocket = this.pool.open(path.peer, port);
    path.randomPort = path.ownSocket === 0 ? 0 : port;
    this.keepFor(path, now);
    return path.ownSocket !== 0;
  }

  /** Whether the peer is sent to from the service port although it has a socket, which may turn out to be the better way. */
  hasAnother(path: PeerPath): boolean {
    return path.ownSocket !== 0 && this.context.peers.socket[path.peer] === SOCKET.service;
  }

  isTesting(path: PeerPath): boolean {
    return this.echo.isUnderway(path);
  }

  /** The peer is reached, or is no longer sought. E-87 */
  cancelTest(path: PeerPath): void {
    this.echo.cancel(path);
  }

  /** The peer is reached by this socket and needs no other: its own is kept, or closed. E-70, E-72, E-73 */
  keepOnly(path: PeerPath, socket: SocketId): void {
    this.echo.cancel(path);
    if (socket !== path.ownSocket) this.closeOwnSocket(path);
    path.ownSocket = socket;
    this.closing.end(path);
  }

  /** The peer is reached by its own socket, which the timer keeps open. */
  beginRefreshing(now: number): void {
    this.refreshAt = Math.min(this.refreshAt, now + REFRESH_MS);
  }

  /** The attempt is over, or starts again. */
  close(path: PeerPath): void {
    this.echo.cancel(path);
    this.closeOwnSocket(path);
    this.closing.end(path);
  }

  /** Nothing that was asked is answered any more. */
  interrupt(): void {
    this.echo.clear();
    this.following.clear();
    this.again.clear();
  }

  /** The peer's socket could not be opened: an indirect bubble names no port, and the next round of bubbles tries again. */
  handleFailure(path: PeerPath, now: number): void {
    this.close(path);
    this.following.end(path);
    this.bubbles.sendIndirect(path, now);
  }

  /** The peer is forgotten. */
  drop(path: PeerPath): void {
    this.following.end(path);
    this.again.end(path);
    this.close(path);
  }

  pollTimeout(): number {
    const parts = [this.echo, this.closing, this.following, this.again];
    return parts.reduce((at, part) => Math.min(at, part.pollTimeout()), this.refreshAt);
  }

  /** Whether the peer is sent to from its own socket. */
  isReachedByOwn({ peer, ownSocket }: PeerPath): boolean {
    const { peers } = this.context;
    return peers.status[peer] === TRUSTED && peers.socket[peer] === ownSocket;
  }

  private mayOpen({ peer, ownSocket }: PeerPath, isWanted: boolean): boolean {
    if (!this.context.qualified!.symmetric || ownSocket !== 0) return false;
    return isWanted || this.pool.hasRoomForStranger(peer);
  }

  private isSought(path: PeerPath, now: number): boolean {
    return this.context.qualified!.symmetric && !isReached(this.context, path, now);
  }

  /** The bubble from the peer's own socket goes after the indirect one: it opens our NAT to a peer that has named no port. */
  private sendLater(path: PeerPath, now: number): void {
    if (isReached(this.context, path, now) && !this.hasAnother(path)) return;
    this.bubbles.sendFromOwnSocket(path, now);
  }

  /** `port`: undefined where the Echo Test has failed. */
  private handlePrediction(path: PeerPath, port: number | undefined, now: number): void {
    if (port === undefined) this.closeOwnSocket(path); // the next round tests again: E-80
    else path.randomPort = port;
    this.bubbles.sendIndirect(path, now);
    this.bubbles.sendFromOwnSocket(path, now);
    this.again.begin(path, now);
  }

  /** E-75 */
  private refresh(path: PeerPath, now: number): void {
    const { peers } = this.context;
    const { peer } = path;
    if (!this.isReachedByOwn(path)) return;
    if (now - path.lastData < REFRESH_MS) path.refreshes = 0;
    else if (path.refreshes < MAX_REFRESHES) {
      path.refreshes++;
      peers.lastBubble.set(peer, now); // otherwise the peer would be forgotten before the last refresh
      const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
      this.bubbles.confirm(peer, path.nonceReceived, { address, port, socket: path.ownSocket }, now);
    } else {
      peers.distrust(peer);
      this.closeOwnSocket(path);
      return;
    }
    this.refreshAt = now + REFRESH_MS;
  }

  /** The attempt continues. */
  private keepFor(path: PeerPath, now: number): void {
    if (path.ownSocket !== 0 && !this.isReachedByOwn(path)) this.closing.begin(path, now);
    else this.closing.end(path);
  }

  private closeOwnSocket(path: PeerPath): void {
    if (path.shownFrom?.socket === path.ownSocket) path.shownFrom = undefined;
    this.pool.close(path.peer, path.ownSocket);
    path.ownSocket = path.randomPort = 0;
  }
}
