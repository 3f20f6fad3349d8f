import { SOCKET } from '../options.ts';
import type { ClientContext } from '../context.ts';
import type { SocketId } from '../../socket-id.ts';
import { DueTimes } from './due-times.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath } from './peer-path.ts';
import { isReached } from './peer-state.ts';

/** A peer that hears us gives a sign this long after it was asked. */
const ANSWERED_MS = 500;
/** A peer that has answered is asked again after this: advertisements are 2 s apart, and one may be half a second late. */
const ASK_SPACING_MS = 2_600;

/**
 * Finds peers that we hear and that do not hear us: our symmetric NAT admits all packets but shows ours elsewhere, or a NAT has lost the mapping.
 * Where there is reason to doubt, the peer is sent a Neighbor Discovery Solicitation at its place (RFC 6081 section 5.7), and no sign within
 * 0.5 s means that it does not hear us. Only the peer at this place can answer. A bubble through the server may be forged: it causes the
 * question, and never moves the peer by itself.
 */
export class Reachability {
  /**
   * A peer that this host wants did not hear us by the service port, though it was heard there: our symmetric NAT admits peers that our packets do
   * not reach.
   */
  natAdmitsDeafPeers = false;
  private readonly context: ClientContext;
  private readonly bubbles: PeerBubbles;
  /** Until a peer that was asked should have answered. */
  private readonly answers = new DueTimes<PeerPath>(ANSWERED_MS);

  constructor(context: ClientContext, bubbles: PeerBubbles) {
    this.context = context;
    this.bubbles = bubbles;
  }

  /** A peer that is reached asks for bubbles through its server: perhaps it does not hear us. Whether it was asked in return. */
  handleQuestion(path: PeerPath, now: number): boolean {
    if (!path.hasNonces || !this.mayAsk(path, now)) return false;
    if (!path.hearing.isQuiet(now) && !this.isOneWay(path)) return false;
    this.ask(path, now);
    return true;
  }

  /** A place was settled for the peer. */
  handleSettled(path: PeerPath, now: number): void {
    if (!path.hearing.isUnheard && this.mayAsk(path, now) && this.isOneWay(path)) this.ask(path, now);
  }

  /** A sign has come: the peer hears us. */
  noteSign(path: PeerPath, now: number): void {
    path.hearing.noteSign(now);
    this.answers.end(path);
  }

  /** The question to the peer, if any, needs no answer: its place is reached by another way. */
  cancelQuestion(path: PeerPath): void {
    this.answers.end(path);
  }

  /** The peer does not hear us, for all that is known. Strangers may pretend that: they say nothing about the ways to other peers. */
  noteUnanswered(path: PeerPath): void {
    path.hearing.noteUnanswered();
    const { peers, qualified } = this.context;
    path.isDeafInside ||= this.context.isInside(peers.mappedAddress[path.peer]!);
    this.natAdmitsDeafPeers ||=
      path.isWanted && peers.socket[path.peer] === SOCKET.service && qualified!.symmetric;
  }

  /**
   * Whether settling at this socket says nothing about the way back, so that the peer's own socket stays open. Our symmetric NAT admits all packets
   * to the service port.
   */
  keepsSocket(path: PeerPath, socket: SocketId): boolean {
    if (socket !== SOCKET.service || !this.context.qualified!.symmetric) return false;
    return path.hearing.isUnheard || this.natAdmitsDeafPeers || this.isOneWay(path);
  }

  /** Ends the questions that are due. Yields the peers that we hear and that have not answered, one after the other. */
  *unanswered(now: number): Generator<PeerPath> {
    for (const path of this.answers.due(now)) {
      if (!isReached(this.context, path, now)) continue;
      this.noteUnanswered(path);
      yield path;
    }
  }

  /** Our NAT may be another one. */
  clear(): void {
    this.natAdmitsDeafPeers = false;
    this.answers.clear();
  }

  pollTimeout(): number {
    return this.answers.pollTimeout();
  }

  /** Heard through our symmetric NAT by the service port, which all peers know, without a sign that the peer could have given. */
  private isOneWay(path: PeerPath): boolean {
    const { peers, qualified } = this.context;
    const { hasNonces, hasSpoken, hearing, peer } = path;
    if (!qualified!.symmetric || peers.socket[peer] !== SOCKET.service) return false;
    if (!hasNonces || !hasSpoken || hearing.isConfirmed) return false;
    return !this.context.isMeetingPoint(peers.mappedAddress[peer]!, peers.mappedPort[peer]!);
  }

  /** Whether the peer would answer another question if it hears us. Otherwise its silence would say nothing. */
  private mayAsk(path: PeerPath, now: number): boolean {
    if (this.answers.has(path)) return false;
    return !path.hearing.hasSignSince(path.askedAt) || now - path.askedAt >= ASK_SPACING_MS;
  }

  private ask(path: PeerPath, now: number): void {
    path.askedAt = now;
    this.answers.begin(path, now);
    this.bubbles.solicit(path, now);
  }
}
