import { PEER_VALIDITY_MS } from '../../constants.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { readUint32 } from '../../../wire/index.ts';
import type { Trailers } from '../../../wire/index.ts';
import type { CausedRounds } from './caused-rounds.ts';
import type { Guessing } from './guessing.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, Place } from './peer-path.ts';
import type { PeerPlaces } from './peer-places.ts';
import type { PeerSockets } from './peer-sockets.ts';
import { isReached } from './peer-state.ts';
import type { Reachability } from './reachability.ts';

interface Parts {
  readonly caused: CausedRounds;
  readonly guessing: Guessing;
  readonly peerBubbles: PeerBubbles;
  readonly places: PeerPlaces;
  readonly reachability: Reachability;
  readonly sockets: PeerSockets;
}

/** Bubbles that our server has forwarded from peers: their trailers are kept, and answered. RFC 6081 sections 5.2.4.3, 5.4.4.4, 5.6.4.2 */
export class IndirectBubbles {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  /**
   * Answers on all ways on which the peer may wait. Returns the place to which it is sent from now on, if it has shown our nonce there before;
   * undefined: nothing changes.
   */
  handle(
    path: PeerPath,
    buffer: Uint8Array,
    trailers: Readonly<Trailers>,
    isWanted: boolean,
    now: number,
  ): Place | undefined {
    const { caused, places, sockets } = this.parts;
    this.remember(path, buffer, trailers, now);
    const isReachedNow = isReached(this.context, path, now);
    if (isReachedNow && !sockets.hasAnother(path)) this.answerReached(path, now);
    else this.answer(path, trailers, isReachedNow, isWanted, now);
    const place = places.moveToShown(path, isReachedNow, now);
    if (place === undefined && !isReachedNow && caused.isDue(path.peer, now)) {
      caused.count(path, now);
      sockets.requestIndirect(path, isWanted, now);
    }
    return place;
  }

  /** Perhaps the peer does not hear us, and is asked; otherwise it is shown that it is heard. E-94 */
  private answerReached(path: PeerPath, now: number): void {
    const { peerBubbles, places, reachability } = this.parts;
    if (reachability.handleQuestion(path, now)) return;
    peerBubbles.confirm(path.peer, path.nonceReceived, places.presentPlaceOf(path), now);
  }

  /** E-93 */
  private answer(
    path: PeerPath,
    { guess }: Readonly<Trailers>,
    isReachedNow: boolean,
    isWanted: boolean,
    now: number,
  ): void {
    const { guessing, peerBubbles, reachability, sockets } = this.parts;
    if (isReachedNow) reachability.handleQuestion(path, now);
    else if (path.peerRandomPort !== 0) sockets.openPreserved(path, isWanted, now);
    peerBubbles.replyEverywhere(path, now);
    peerBubbles.sendFromOwnSocket(path, now);
    if (guess !== undefined) guessing.handle(path, guess, isWanted, now);
  }

  private remember(path: PeerPath, buffer: Uint8Array, trailers: Readonly<Trailers>, now: number): void {
    const { nonce, alternates, randomPort, guess } = trailers;
    path.hasSpoken = true;
    path.nonceReceived = nonce === undefined ? 0 : readUint32(buffer, nonce); // E-24
    path.alternates = alternates ?? [];
    if (!this.isTalking(path, now)) {
      if (path.nonceReceived !== 0) path.hasNonces = true;
      if ((randomPort ?? 0) !== 0 || (guess?.habit ?? 'stable') !== 'stable') path.isSymmetric = true;
    }
    if (randomPort === undefined || randomPort === path.peerRandomPort) return;
    if (this.mayRestart(path, now)) {
      this.context.peers.socket[path.peer] = SOCKET.service;
      this.parts.sockets.close(path);
    }
    path.peerRandomPort = randomPort;
  }

  /** Packets come from the peer's place: bubbles in its name cannot make it a peer that is elsewhere. */
  private isTalking(path: PeerPath, now: number): boolean {
    return path.hearing.hasSignWithin(PEER_VALIDITY_MS, now) && isReached(this.context, path, now);
  }

  /**
   * The peer names another random port. Whether this side starts again as well: it is no longer reached by its own socket, and a new one's port can
   * be named at once. E-69
   */
  private mayRestart(path: PeerPath, now: number): boolean {
    const { context, parts } = this;
    const isOld = path.peerRandomPort !== 0 && parts.sockets.isReachedByOwn(path);
    if (!isOld || context.peers.isValid(path.peer, now)) return false;
    return path.ownSocket !== 0 && context.preservesPorts && parts.caused.isDue(path.peer, now);
  }
}
