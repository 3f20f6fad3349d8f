import { BUBBLE_SPACING_MS } from '../../constants.ts';
import { randomUint32 } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { BubbleTrailers, Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import { mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { GatewayPairs } from './gateway-pairs.ts';
import { guessTrailer } from './guess.ts';
import type { Guess } from './guess.ts';
import { isMeetingPoint } from './means.ts';
import type { PeerPath, PeerPaths, Place } from './peer-paths.ts';

/** Bubbles to new places of a peer within the spacing of others. */
const CONFIRMATIONS = 4;

/** What bubbles to a peer say, and where they go: as far as the peer has told, by way of its server, and our NAT asks for. RFC 6081 sections 5.2, 5.4, 5.6 */
export class PeerBubbles {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly paths: PeerPaths;
  private readonly gateways: GatewayPairs;
  private readonly guesses: ReadonlyMap<number, Guess>;

  constructor(
    context: ClientContext,
    bubbles: Bubbles,
    paths: PeerPaths,
    gateways: GatewayPairs,
    guesses: ReadonlyMap<number, Guess>,
  ) {
    this.context = context;
    this.bubbles = bubbles;
    this.paths = paths;
    this.gateways = gateways;
    this.guesses = guesses;
  }

  sendDirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.get(peer);
    const nonce = path?.nonceReceived ?? 0; // E-22, E-23
    const isWanted = this.isWanted(peer);
    for (const place of this.placesOf(target, path))
      this.bubbles.sendDirect(target, place, { nonce }, isWanted, now);
    if (path !== undefined) this.sendFromOwnSocket(target, path, now);
  }

  /**
   * To where a symmetric peer expects its NAT to let us in, or to where one that has named no such port is, from where we expect ours to let it
   * in. Not before it has spoken: the first bubble takes the port that a NAT preserves. E-65
   */
  sendFromOwnSocket(target: Uint8Array, path: PeerPath, now: number): void {
    if (path.ownSocket === 0 || path.randomPort === 0 || !path.hasSpoken) return;
    const port = path.peerRandomPort || mappedPortOf(target, 0);
    const place = { address: mappedAddressOf(target, 0), port };
    const trailers = { nonce: path.nonceReceived, randomPort: path.randomPort };
    this.bubbles.sendDirect(target, place, trailers, path.isWanted, now, path.ownSocket);
  }

  /** On all ways by which the peer may be waiting for an answer. RFC 6081 section 5.6.4.2 */
  replyEverywhere(target: Uint8Array, path: PeerPath, now: number): void {
    this.bubbles.replyAll(target, 0, this.placesOf(target, path), now, { nonce: path.nonceReceived });
  }

  sendIndirect(peer: number, target: Uint8Array, now: number): void {
    const path = this.paths.provide(peer);
    const nonce = this.newNonce();
    const trailers: BubbleTrailers = {
      nonce,
      alternates: this.alternates(),
      randomPort: path.ownSocket === 0 ? 0 : path.randomPort, // E-64, E-86
      guess: guessTrailer(this.context, path, this.guesses.get(peer)),
    };
    const send = (): boolean => this.bubbles.sendIndirect(target, trailers, path.isWanted, now);
    if (!this.context.commands.naming(trailers.randomPort === 0 ? 0 : path.ownSocket, send)) return;
    path.nonceBefore = path.nonceSent; // the answer to the one before may be on its way
    path.nonceSent = nonce;
  }

  /** The bubble of an Echo Test: to where the peer will be, so that its is the port that is foretold. */
  sendFrom(peer: number, socket: SocketId, now: number): void {
    const target = this.context.peers.address(peer);
    const { nonceReceived: nonce = 0, peerRandomPort = 0 } = this.paths.get(peer) ?? {};
    const { address, port } = this.bubbles.pairIn(target, 0);
    const place = { address, port: peerRandomPort || port };
    this.bubbles.sendDirect(target, place, { nonce }, this.isWanted(peer), now, socket);
  }

  /** The peer has been heard from this pair, and cannot know of that yet. */
  confirm(peer: number, { address, port, socket }: Place, now: number): void {
    const { context } = this;
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    // From another pair than our address says it would be taken for forged, and keep the one with the nonce back.
    const isForged =
      context.qualified!.symmetric &&
      context.policy.isGlobalUnicast(address) &&
      !isMeetingPoint(this.context, address, port);
    if (nonce === 0 && isForged) return;
    this.bubbles.reply(context.peers.address(peer), 0, address, port, now, { nonce }, socket);
  }

  /**
   * The peer has shown our nonce, from this place for the first time: an earlier bubble to there may have opened our NAT and gone no farther, so
   * that the spacing of replies does not hold for this one. But two sides that each find another place better would go on for ever.
   */
  confirmShown(peer: number, place: Place, now: number): void {
    const path = this.paths.provide(peer);
    if (now - path.confirmedAt >= BUBBLE_SPACING_MS) [path.confirmedAt, path.confirmations] = [now, 0];
    if (++path.confirmations > CONFIRMATIONS) {
      this.confirm(peer, place, now);
      return;
    }
    const trailers = {
      nonce: path.nonceReceived,
      guess: guessTrailer(this.context, path, this.guesses.get(peer)),
    };
    const target = this.context.peers.address(peer);
    this.bubbles.sendDirect(target, place, trailers, path.isWanted, now, place.socket);
  }

  /** A trusted peer is asked where it is sent to. */
  solicit(peer: number, now: number): void {
    const { peers } = this.context;
    const nonce = this.paths.get(peer)?.nonceReceived ?? 0;
    const [address, port] = [peers.mappedAddress[peer]!, peers.mappedPort[peer]!];
    const trailers = { nonce, neighborDiscovery: 'solicitation' } as const;
    const isWanted = this.isWanted(peer);
    this.bubbles.sendDirect(
      peers.address(peer),
      { address, port },
      trailers,
      isWanted,
      now,
      peers.socket[peer],
    );
  }

  /** There is no other way, or none was found: a bubble by way of the relay where peers are met. docs/adr/0017 */
  askMeetingRelay(peer: number, now: number): void {
    const { peers, options } = this.context;
    if (options.meetingRelay === undefined || peers.isValid(peer, now)) return;
    this.bubbles.sendDirect(peers.address(peer), options.meetingRelay, {}, this.isWanted(peer), now);
  }

  /** Where the peer may be reached from the service port. E-66, E-93 */
  private placesOf(target: Uint8Array, path: PeerPath | undefined): Endpoint[] {
    const places = [this.bubbles.pairIn(target, 0)];
    if (path === undefined) return places;
    if (path.peerRandomPort !== 0 && !this.context.qualified!.symmetric)
      places.push({ address: mappedAddressOf(target, 0), port: path.peerRandomPort });
    return [...places, ...path.alternates.filter((one) => this.mayBePeer(one))];
  }

  private isWanted(peer: number): boolean {
    return this.paths.get(peer)?.isWanted === true;
  }

  private mayBePeer({ address, port }: Endpoint): boolean {
    const { policy, network, servicePort } = this.context;
    const isSelf = address === network.localAddress && port === servicePort;
    return policy.isUnicast(address) && !isSelf;
  }

  /** Our pair on our own link, for who is behind the same NAT, and that at which our NAT lets anybody in. E-91 */
  private alternates(): Endpoint[] {
    const { network, servicePort, natKind } = this.context;
    const { own } = this.gateways;
    const pairs: Endpoint[] = [];
    if (network.localAddress !== undefined && servicePort !== undefined && natKind !== 'none')
      pairs.push({ address: network.localAddress, port: servicePort });
    if (own !== undefined) pairs.push(own);
    return pairs;
  }

  private newNonce(): number {
    return randomUint32(this.context.entropy) || this.newNonce(); // E-32, E-33
  }
}
