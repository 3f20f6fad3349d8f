import { SOCKET } from '../options.ts';
import type { ClientContext } from '../context.ts';
import type { SocketId } from '../../socket-id.ts';
import { DueTimes } from './due-times.ts';
import { isMeetingPoint } from './means.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, PeerPaths } from './peer-paths.ts';
import { isReached } from './peer-state.ts';

/** A valid peer that asks so long after it was trusted, and has sent nothing but bubbles for so long, may not hear us. */
const QUIET_MS = 500;
/** A peer to which we have sent for so long has had time to answer. */
const IN_VAIN_MS = 1_000;
/** It does not, where nothing of it shows that it does so long after we have asked. */
const ANSWERED_MS = 500;
/** Who has answered may be asked again after this: advertisements are 2 s apart, and one may be half a second late. */
const ASK_SPACING_MS = 2_600;

/**
 * Whether peers that we hear hear us, too. They may not: our symmetric NAT lets everybody in, but is itself seen elsewhere; or a NAT has lost the
 * mapping. Packets show that they do, and so does an answer to a Neighbor Discovery Solicitation, which is asked for where there is reason to
 * doubt: only who is where the peer is sent to can give it. What comes by way of a server, and may be forged, turns no session by itself.
 */
export class Reachability {
  /** Somebody did not hear us by the service port although we heard him there: our symmetric NAT lets in whom it does not let us reach. */
  natAdmitsDeafPeers = false;
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;
  private readonly bubbles: PeerBubbles;
  /** Until a peer that was asked, and is heard, is taken not to hear us. */
  private readonly answers = new DueTimes(ANSWERED_MS);

  constructor(context: ClientContext, paths: PeerPaths, bubbles: PeerBubbles) {
    this.context = context;
    this.paths = paths;
    this.bubbles = bubbles;
  }

  /** A peer that we hear asks by way of its server. Whether it has been asked in return. */
  handleQuestion(peer: number, path: PeerPath, now: number): boolean {
    if (!path.hasNonces || !this.mayAsk(peer, path, now) || !isReached(this.context, path, peer, now))
      return false;
    const isQuiet = now - path.settledAt >= QUIET_MS && now - path.lastHeard >= QUIET_MS;
    if (!isQuiet && !this.isOneWay(peer, path)) return false;
    this.ask(peer, path, now);
    return true;
  }

  /** The peer is trusted. */
  handleSettled(peer: number, path: PeerPath, now: number): void {
    if (!path.isUnheard && this.mayAsk(peer, path, now) && this.isOneWay(peer, path))
      this.ask(peer, path, now);
  }

  /** A packet, or an answer, has come from where the peer is sent to: it hears us. */
  noteHeard(peer: number, path: PeerPath, now: number): void {
    path.lastHeard = now;
    this.clear(peer, path);
  }

  /** The peer does not hear us, for all we know. What strangers do says nothing of the ways to others. */
  doubt(peer: number, path: PeerPath): void {
    const { peers, qualified } = this.context;
    path.isUnheard = true;
    this.natAdmitsDeafPeers ||=
      path.isWanted && peers.socket[peer] === SOCKET.service && qualified!.symmetric;
  }

  /** The peer is reached by another way. */
  clear(peer: number, path: PeerPath): void {
    path.isUnheard = false;
    this.answers.end(peer);
  }

  /** Whether nothing has ever come in return for what was sent since the peer was trusted. */
  isInVain(path: PeerPath, now: number): boolean {
    return path.lastHeard < path.settledAt && now - path.settledAt >= IN_VAIN_MS;
  }

  /**
   * Whether a socket of a peer's own stays when the peer has reached us by the service port. That it has, through a symmetric NAT that lets
   * everybody in, says nothing of the way back.
   */
  keepsSocket(peer: number, path: PeerPath, socket: SocketId): boolean {
    if (socket !== SOCKET.service || !this.context.qualified!.symmetric) return false;
    return path.isUnheard || this.natAdmitsDeafPeers || this.isOneWay(peer, path);
  }

  /** Peers that we hear and that have not answered in time: they do not hear us. */
  *unanswered(now: number): Generator<number> {
    for (const peer of this.answers.due(now)) {
      const path = this.paths.get(peer);
      if (path === undefined || !isReached(this.context, path, peer, now)) continue;
      this.doubt(peer, path);
      yield peer;
    }
  }

  /** Our NAT may be another one. */
  clearAll(): void {
    this.natAdmitsDeafPeers = false;
    this.answers.clear();
  }

  drop(peer: number): void {
    this.answers.end(peer);
  }

  pollTimeout(): number {
    return this.answers.pollTimeout();
  }

  /** Heard through a symmetric NAT of ours by the port that everybody knows, and by nothing that shows the way back. */
  private isOneWay(peer: number, path: PeerPath): boolean {
    const { peers, qualified } = this.context;
    if (!qualified!.symmetric || peers.socket[peer] !== SOCKET.service || !hasNotConfirmed(path))
      return false;
    return !isMeetingPoint(this.context, peers.mappedAddress[peer]!, peers.mappedPort[peer]!);
  }

  /** Whether another question would be answered, where the last one was: else silence would say nothing. */
  private mayAsk(peer: number, path: PeerPath, now: number): boolean {
    if (this.answers.has(peer)) return false;
    return path.lastHeard < path.askedAt || now - path.askedAt >= ASK_SPACING_MS;
  }

  private ask(peer: number, path: PeerPath, now: number): void {
    path.askedAt = now;
    this.answers.begin(peer, now);
    this.bubbles.solicit(peer, now);
  }
}

/** Whether the peer could say that it hears us, and has not said so since it was trusted. */
function hasNotConfirmed({ hasNonces, hasSpoken, lastHeard, settledAt }: PeerPath): boolean {
  return hasNonces && hasSpoken && lastHeard <= settledAt;
}
