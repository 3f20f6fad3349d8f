import type { SocketId } from '../../socket-id.ts';
import type { Endpoint, PortHabit } from '../../../wire/index.ts';
import type { Place } from '../place.ts';
import { PeerHearing } from './peer-state.ts';

export type { Place };

/** The data about a peer that RFC 6081 needs in addition to its entry in the list of peers. Times are ms of the machine's clock, -Infinity: never. */
export class PeerPath {
  /** Its number in the list of peers. */
  readonly peer: number;
  /** Whether it hears us at its place. */
  readonly hearing = new PeerHearing();
  /** The place was proven by our nonce. The pair in the peer's address proves less: any host can forge it. */
  byNonce = false;
  /** It did not hear us at a place behind our own NAT: such a place is not preferred any more. */
  isDeafInside = false;
  /** The place was found by a guess. */
  isGuessed = false;
  /** This host had packets for the peer before the peer was heard: it is no stranger. */
  isWanted = false;

  /** Our server has brought an indirect bubble of the peer: its trailers, and those it has left out, are known. */
  hasSpoken = false;
  /**
   * The peer's indirect bubbles have had nonces, or have said that its NAT is symmetric. Never taken back: later bubbles in the peer's name may
   * be forged.
   */
  hasNonces = false;
  isSymmetric = false;
  /** Nonce of the peer's last indirect bubble, for our direct ones. 0: none. */
  nonceReceived = 0;
  /** Other places that the peer's last indirect bubble named. RFC 6081 section 5.6.2 */
  alternates: readonly Endpoint[] = [];
  /** External port that the peer expects its NAT to give to its packets to us. 0: none. RFC 6081 section 5.4.2 */
  peerRandomPort = 0;
  /** The way in which the peer's NAT assigns ports, where the peer has sent it. */
  habit: PortHabit | undefined = undefined;

  /** Nonce of our last indirect bubble, and of the one before. A direct bubble with it is from the peer. 0: none. RFC 6081 section 5.2.2 */
  nonceSent = 0;
  nonceBefore = 0;
  /** Our socket for this peer alone, and the external port that our NAT should give it; 0: none. RFC 6081 section 5.4 */
  ownSocket: SocketId = 0;
  randomPort = 0;

  /** Where, and when, the peer has shown our nonce, while its own has not come. It is settled there when that comes. */
  shownFrom: (Place & { readonly at: number }) | undefined = undefined;
  /**
   * Another place from which the peer has shown our nonce, and may send. `isUsual`: it always sends from there, though it is sent to another pair.
   */
  secondSource: (Place & { readonly isUsual: boolean }) | undefined = undefined;

  /** When a packet that is no bubble last came from it. */
  lastPacket = -Infinity;
  /** When it was last taken as a peer that has sent packets until a moment ago. */
  takenAt = -Infinity;
  /** When anything last came from its place. */
  lastAtPlace = -Infinity;
  /** When the peer was last asked whether it hears us. */
  askedAt = -Infinity;
  /** Bubbles sent to newly shown places since that time. */
  confirmedAt = -Infinity;
  confirmations = 0;
  /** Times of the last rounds of bubbles that strangers have caused, the oldest first; at most four. */
  causedRounds: readonly number[] = [];
  /** The same of guesses. */
  causedGuesses: readonly number[] = [];
  /** When a packet of this host last went to the peer through its own socket, or when it was last settled. */
  lastData = -Infinity;
  /** Bubbles that have kept the way to an idle peer on our own socket open since then. RFC 6081 section 5.4.2 */
  refreshes = 0;

  constructor(peer: number) {
    this.peer = peer;
  }
}

/** The paths by peer. A peer has one once bubbles were exchanged with it, until it leaves the list of peers. */
export class PeerPaths {
  private readonly paths = new Map<number, PeerPath>();
  /** The last one found: packets in a row are often of one peer. */
  private last: PeerPath | undefined;

  get(peer: number): PeerPath | undefined {
    if (this.last?.peer === peer) return this.last;
    const path = this.paths.get(peer);
    if (path !== undefined) this.last = path;
    return path;
  }

  provide(peer: number): PeerPath {
    let path = this.get(peer);
    if (path === undefined) {
      path = new PeerPath(peer);
      this.paths.set(peer, path);
    }
    return path;
  }

  /** The peer is forgotten. */
  take(peer: number): PeerPath | undefined {
    const path = this.paths.get(peer);
    this.paths.delete(peer);
    this.last = undefined;
    return path;
  }

  /** Rounds that were not answered before say nothing about now. */
  resetRounds(): void {
    for (const path of this.paths.values()) path.causedRounds = [];
  }

  /** All of them. */
  all(): Iterable<PeerPath> {
    return this.paths.values();
  }

  /** Those that have a socket of their own. */
  *withSocket(): Generator<PeerPath> {
    for (const path of this.paths.values()) if (path.ownSocket !== 0) yield path;
  }
}
