import type { SocketId } from '../../socket-id.ts';
import type { Endpoint, PortHabit } from '../../../wire/index.ts';

/** Where a peer is heard or sent to: its pair, and our socket. */
export interface Place extends Endpoint {
  readonly socket: SocketId;
}

/** What RFC 6081 keeps of a peer besides its entry in the list of peers. */
export interface PeerPath {
  /** Of our last indirect bubble: who shows it in a direct bubble has got it. 0: none. RFC 6081 section 5.2.2 */
  nonceSent: number;
  /** The one before. */
  nonceBefore: number;
  /** Of the peer's last indirect bubble, for our direct ones. 0: none. */
  nonceReceived: number;
  /** Whether our server has brought an indirect bubble of the peer: what it said, and what it did not say, is known. */
  hasSpoken: boolean;
  /** Where else the peer says it may be reached. RFC 6081 section 5.6.2 */
  alternates: readonly Endpoint[];
  /** External port that the peer expects its NAT to give to what it sends us. 0: none. RFC 6081 section 5.4.2 */
  peerRandomPort: number;
  /** Our socket that is this peer's alone, and what its external port should be; 0 where there is none. */
  ownSocket: SocketId;
  randomPort: number;
  /** From where the peer has shown our nonce, and when, while we have none of its own to show in return. */
  shownFrom: (Place & { readonly at: number }) | undefined;
  /** This host has had packets for it before it was heard: it is no stranger. */
  isWanted: boolean;
  /** Its bubbles have had nonces, or have said that its NAT is symmetric: once and for all, since others may say the contrary in its name. */
  hasNonces: boolean;
  isSymmetric: boolean;
  /**
   * Another pair from which the peer has shown our nonce: it may send from there. `isUsual`: it always does, and is reached where it is
   * sent to for all we know. Else nothing is heard of the way to it by that.
   */
  secondSource: (Place & { readonly isUsual: boolean }) | undefined;
  /** It was the nonce that the peer is trusted for, and not the pair in its address, which others may forge. */
  byNonce: boolean;
  /** Bubbles to new places of it since that time. */
  confirmedAt: number;
  confirmations: number;
  /** When it was trusted, and when a packet last came from it that was no bubble: whoever sends those hears us. */
  settledAt: number;
  lastHeard: number;
  /** When anything last came from where it is sent to. */
  lastAtPlace: number;
  /** When the last rounds of bubbles went to it that this host has not caused, the oldest first; four at the most. */
  causedRounds: readonly number[];
  /** When it was last asked whether it hears us. */
  askedAt: number;
  /** It asks by way of its server although we hear it: it does not hear us. */
  isUnheard: boolean;
  /** Whether a guess has brought us together. */
  isGuessed: boolean;
  /** What the peer's NAT does with ports, where it has said so. */
  habit: PortHabit | undefined;
  /** When a packet last went to the peer through the tunnel or came from it, bubbles not counted. */
  lastData: number;
  /** Direct bubbles that kept the way to an idle peer on its random port open. RFC 6081 section 5.4.2 */
  refreshes: number;
}

/** By peer. Only those with whom bubbles were exchanged have one, and it goes with the peer's entry: there are no more than peers. */
export class PeerPaths {
  private readonly paths = new Map<number, PeerPath>();

  get(peer: number): PeerPath | undefined {
    return this.paths.get(peer);
  }

  provide(peer: number): PeerPath {
    let path = this.paths.get(peer);
    if (path === undefined) {
      path = {
        nonceSent: 0,
        nonceBefore: 0,
        nonceReceived: 0,
        hasSpoken: false,
        alternates: [],
        peerRandomPort: 0,
        ownSocket: 0,
        randomPort: 0,
        shownFrom: undefined,
        isWanted: false,
        hasNonces: false,
        isSymmetric: false,
        secondSource: undefined,
        byNonce: false,
        confirmedAt: -Infinity,
        confirmations: 0,
        settledAt: -Infinity,
        lastHeard: -Infinity,
        lastAtPlace: -Infinity,
        causedRounds: [],
        askedAt: -Infinity,
        isUnheard: false,
        isGuessed: false,
        habit: undefined,
        lastData: -Infinity,
        refreshes: 0,
      };
      this.paths.set(peer, path);
    }
    return path;
  }

  /** The peer is forgotten. */
  take(peer: number): PeerPath | undefined {
    const path = this.paths.get(peer);
    this.paths.delete(peer);
    return path;
  }

  /** What was not answered before says nothing about now. */
  resetRounds(): void {
    for (const path of this.paths.values()) path.causedRounds = [];
  }

  /** Those that have a socket of their own. */
  *withSocket(): Generator<[number, PeerPath]> {
    for (const entry of this.paths) if (entry[1].ownSocket !== 0) yield entry;
  }
}
