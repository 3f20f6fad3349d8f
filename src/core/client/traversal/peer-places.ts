import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import type { Endpoint, Trailers } from '../../../wire/index.ts';
import type { GatewayPairs } from './gateway-pairs.ts';
import type { Guessing } from './guessing.ts';
import type { PeerBubbles } from './peer-bubbles.ts';
import type { PeerPaths, Place } from './peer-paths.ts';
import { ATTEMPT_MS } from './peer-sockets.ts';
import type { PeerSockets } from './peer-sockets.ts';
import { isReached } from './peer-state.ts';

interface Parts {
  readonly gateways: GatewayPairs;
  readonly guessing: Guessing;
  readonly paths: PeerPaths;
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
   * A peer has shown our nonce at this place. Returns the pair to which it is sent from now on; undefined: nothing changes. A valid peer stays
   * where it is reached, unless this place is better. `isPreferred`: the caller has a reason to move the peer. E-29, E-48, E-71
   */
  moveTo(
    peer: number,
    place: Place,
    trailers: Readonly<Trailers>,
    isPreferred: boolean,
    now: number,
  ): Endpoint | undefined {
    if (!this.isTwoWay(peer, place, trailers)) return undefined;
    const { peers } = this.context;
    const isNow = isReached(this.context, this.parts.paths.get(peer), peer, now);
    const isBetter = isPreferred || this.parts.gateways.prefers(peer, place) || this.isOpenedFor(peer, place);
    if ((isNow && !isBetter) || !this.mayTrust(peer, place, now)) {
      if (isNow) this.noteSecondSource(peer, place, now);
      return undefined;
    }
    const target = this.parts.gateways.targetFor(peer, place);
    if (target.address !== place.address || target.port !== place.port)
      this.parts.gateways.noteSecondSource(peer, place, true);
    else if (isNow)
      this.parts.gateways.noteSecondSource(peer, {
        address: peers.mappedAddress[peer]!,
        port: peers.mappedPort[peer]!,
        socket: peers.socket[peer]!,
      });
    return target;
  }

  /**
   * The peer's nonce has come. Where the peer has shown ours before, which had to wait for that, it is sent to from now on; undefined: nowhere.
   * `socket`: the one to send from. A bubble goes to there.
   */
  moveToShown(peer: number, now: number): Place | undefined {
    const shown = this.takeShown(peer, now);
    if (shown === undefined || isReached(this.context, this.parts.paths.get(peer), peer, now))
      return undefined;
    const target = { ...this.parts.gateways.targetFor(peer, shown), socket: shown.socket };
    this.parts.gateways.noteSecondSource(peer, shown, true);
    this.parts.peerBubbles.confirm(peer, target, now);
    return target;
  }

  /** Whether a peer at this address sees us at the pair in our Teredo address. */
  private isSeenAsAddressSays(address: number): boolean {
    return !this.context.qualified!.symmetric && this.context.policy.isGlobalUnicast(address);
  }

  /** Whether what has arrived on this socket shows a way that goes back, too. */
  private isTwoWay(peer: number, { socket, port }: Place, { guess }: Readonly<Trailers>): boolean {
    return socket === SOCKET.service || this.parts.guessing.isTwoWay(peer, socket, port, guess);
  }

  /**
   * Whether this is the socket that was opened for the peer, while the peer is sent to from the service port and no packet shows that it hears
   * us there.
   */
  private isOpenedFor(peer: number, { socket }: Place): boolean {
    return socket !== SOCKET.service && this.parts.sockets.hasAnother(peer);
  }

  /** The peer stays where it is sent to, and sends from this place too. On another socket this may be the only way on which it hears us. */
  private noteSecondSource(peer: number, place: Place, now: number): void {
    const isNew = this.parts.gateways.noteSecondSource(peer, place);
    if (isNew && place.socket !== this.context.peers.socket[peer])
      this.parts.peerBubbles.confirmShown(peer, place, now);
  }

  /**
   * The peer has shown our nonce at this place. Behind a symmetric NAT, and on our own link, we have to show it one in return, or the peer drops
   * what we send: false where its nonce has not come yet.
   */
  private mayTrust(peer: number, { address, port, socket }: Place, now: number): boolean {
    const path = this.parts.paths.get(peer);
    if (path === undefined || path.nonceReceived !== 0 || this.isSeenAsAddressSays(address)) return true;
    path.shownFrom = { address, port, socket, at: now };
    return false;
  }

  /** The place that was kept until the peer's nonce came. */
  private takeShown(peer: number, now: number): Place | undefined {
    const path = this.parts.paths.get(peer);
    if (path === undefined || path.nonceReceived === 0) return undefined;
    const { shownFrom } = path;
    path.shownFrom = undefined;
    return shownFrom !== undefined && now - shownFrom.at < ATTEMPT_MS ? shownFrom : undefined;
  }
}
