import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import type { Endpoint, Trailers } from '../../../wire/index.ts';
import type { GatewayPairs } from './gateway-pairs.ts';
import type { Guessing } from './guessing.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPath, Place } from './peer-path.ts';
import { ATTEMPT_MS } from './peer-sockets.ts';
import type { PeerSockets } from './peer-sockets.ts';
import { isReached } from './peer-state.ts';

interface Parts {
  readonly gateways: GatewayPairs;
  readonly guessing: Guessing;
  readonly peerBubbles: PeerBubbles;
  readonly sockets: PeerSockets;
}

/** Decides to which place a peer is sent that shows our nonce. RFC 6081 sections 5.2.4.4, 5.4.4.5 */
export class PeerPlaces {
  private readonly context: ClientContext;
  private readonly parts: Parts;

  constructor(context: ClientContext, parts: Parts) {
    this.context = context;
    this.parts = parts;
  }

  /**
   * A peer has shown our nonce at this place. Returns the pair to which it is sent from now on; undefined: nothing changes. A peer that is reached
   * stays where it is, unless this place is better. `isPreferred`: the caller has a reason to move the peer. E-29, E-48, E-71
   */
  moveTo(
    path: PeerPath,
    place: Place,
    trailers: Readonly<Trailers>,
    isPreferred: boolean,
    now: number,
  ): Endpoint | undefined {
    const { gateways } = this.parts;
    if (!this.isTwoWay(path, place, trailers)) return undefined;
    const isReachedNow = isReached(this.context, path, now);
    const avoidsNat = this.avoidsNat(path, place);
    const isBetter =
      isPreferred || gateways.prefers(path, place) || this.isOpenedFor(path, place) || avoidsNat;
    if ((isReachedNow && !isBetter) || !this.mayTrust(path, place, now)) {
      if (isReachedNow) this.noteSecondSource(path, place, now);
      return undefined;
    }
    // The peer must have seen its nonce there before the first packet.
    if (isReachedNow && avoidsNat) this.parts.peerBubbles.confirmShown(path, place, now);
    const target = gateways.targetFor(path, place);
    if (target.address !== place.address || target.port !== place.port)
      gateways.noteSecondSource(path, place, true);
    else if (isReachedNow) gateways.noteSecondSource(path, this.presentPlaceOf(path));
    return target;
  }

  /**
   * The place where a peer that is not reached has shown our nonce before its own came. Returns the place to which it is sent from now on;
   * undefined: there was none. A bubble goes to there.
   */
  moveToShown(path: PeerPath, isReachedNow: boolean, now: number): Place | undefined {
    const shown = takeShown(path, now);
    if (shown === undefined || isReachedNow) return undefined;
    const { gateways, peerBubbles } = this.parts;
    const target = { ...gateways.targetFor(path, shown), socket: shown.socket };
    gateways.noteSecondSource(path, shown, true);
    peerBubbles.confirm(path.peer, path.nonceReceived, target, now);
    return target;
  }

  /** The place to which a trusted peer is sent now. */
  presentPlaceOf({ peer }: PeerPath): Place {
    const { mappedAddress, mappedPort, socket } = this.context.peers;
    return { address: mappedAddress[peer]!, port: mappedPort[peer]!, socket: socket[peer]! };
  }

  /** Whether a datagram at this place shows a way that leads back too. */
  private isTwoWay(path: PeerPath, place: Place, { guess }: Readonly<Trailers>): boolean {
    return place.socket === SOCKET.service || this.parts.guessing.isTwoWay(path, place, guess);
  }

  /** Whether this is the socket that was opened for the peer, while the peer is sent to from the service port without a sign that it hears us. */
  private isOpenedFor(path: PeerPath, { socket }: Place): boolean {
    return socket !== SOCKET.service && this.parts.sockets.hasAnother(path);
  }

  /**
   * Whether packets to this place stay behind the NAT, while the peer is sent to by way of it. Both sides prefer that.
   * Example: two clients on one link have met through their NAT, which hairpins. Then each hears the bubble to its alternate address.
   */
  private avoidsNat(path: PeerPath, { address, socket }: Place): boolean {
    if (socket !== SOCKET.service || path.isDeafInside) return false;
    return this.context.isInside(address) && !this.context.isInside(this.presentPlaceOf(path).address);
  }

  /** The peer stays where it is sent to, and sends from this place too. On another socket this may be the only way on which it hears us. */
  private noteSecondSource(path: PeerPath, place: Place, now: number): void {
    const isNew = this.parts.gateways.noteSecondSource(path, place);
    if (isNew && place.socket !== this.context.peers.socket[path.peer])
      this.parts.peerBubbles.confirmShown(path, place, now);
  }

  /**
   * Whether a peer that has shown our nonce at this place takes packets from us now. Where it sees us at another pair than our address says, it
   * needs its own nonce first; if that has not come, the place is kept until it does.
   */
  private mayTrust(path: PeerPath, { address, port, socket }: Place, now: number): boolean {
    if (path.nonceReceived !== 0 || this.isSeenAsAddressSays(address)) return true;
    this.keepShown(path, { address, port, socket }, now);
    return false;
  }

  /** Until the peer's nonce comes. A place behind our own NAT is not replaced by one beyond it. */
  private keepShown(path: PeerPath, { address, port, socket }: Place, now: number): void {
    const { shownFrom } = path;
    const isNewer = shownFrom === undefined || now - shownFrom.at >= ATTEMPT_MS;
    const isBehindNat = !isNewer && this.context.isInside(shownFrom.address);
    if (isBehindNat && !this.context.isInside(address)) return;
    path.shownFrom = { address, port, socket, at: now };
  }

  /** Whether a peer at this address sees us at the pair in our Teredo address. */
  private isSeenAsAddressSays(address: number): boolean {
    return !this.context.qualified!.symmetric && this.context.policy.isGlobalUnicast(address);
  }
}

/** The place that was kept until the peer's nonce came. */
function takeShown(path: PeerPath, now: number): Place | undefined {
  if (path.nonceReceived === 0) return undefined;
  const { shownFrom } = path;
  path.shownFrom = undefined;
  return shownFrom !== undefined && now - shownFrom.at < ATTEMPT_MS ? shownFrom : undefined;
}
