import { BUBBLE_SPACING_MS } from '../../constants.ts';
import { randomUint32 } from '../../entropy.ts';
import type { SocketId } from '../../socket-id.ts';
import type { BubbleTrailers, Bubbles } from '../ask/bubbles.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { GatewayPairs } from './gateway-pairs.ts';
import { guessTrailer } from './guess.ts';
import type { Guess } from './guess.ts';
import type { PeerPath, Place } from './peer-path.ts';

/** Bubbles to new places of a peer within the spacing of others. */
const CONFIRMATIONS = 4;

/**
 * Trailers and destinations of bubbles to a peer, from the data that the peer has sent through its server and the needs of our NAT. RFC 6081 sections
 * 5.2, 5.4, 5.6
 */
export class PeerBubbles {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly gateways: GatewayPairs;
  private readonly guesses: ReadonlyMap<PeerPath, Guess>;

  constructor(
    context: ClientContext,
    bubbles: Bubbles,
    gateways: GatewayPairs,
    guesses: ReadonlyMap<PeerPath, Guess>,
  ) {
    this.context = context;
    this.bubbles = bubbles;
    this.gateways = gateways;
    this.guesses = guesses;
  }

  /** To all places where the peer may be. */
  sendDirect(path: PeerPath, now: number): void {
    const target = this.addressOf(path);
    const trailers = { nonce: path.nonceReceived }; // E-22, E-23
    for (const place of this.placesOf(target, path))
      this.bubbles.sendDirect(target, { ...place, socket: SOCKET.service }, trailers, path.isWanted, now);
    this.sendFromOwnSocket(path, now);
  }

  /**
   * From the peer's own socket, which opens our NAT where the peer expects us. Not before the peer has spoken: the first bubble takes the port
   * that a NAT preserves. E-65
   * Example: the peer has named random port 51000, so it goes to there. A peer that has named none is behind a NAT with one mapping: it goes to
   * the pair in its address.
   */
  sendFromOwnSocket(path: PeerPath, now: number): void {
    if (path.ownSocket === 0 || path.randomPort === 0 || !path.hasSpoken) return;
    const target = this.addressOf(path);
    const place = {
      address: mappedAddressOf(target, 0),
      port: path.peerRandomPort || mappedPortOf(target, 0),
      socket: path.ownSocket,
    };
    const trailers = { nonce: path.nonceReceived, randomPort: path.randomPort };
    this.bubbles.sendDirect(target, place, trailers, path.isWanted, now);
  }

  /** To all places where the peer may wait for an answer. RFC 6081 section 5.6.4.2 */
  replyEverywhere(path: PeerPath, now: number): void {
    const target = this.addressOf(path);
    const trailers = { nonce: path.nonceReceived };
    const reply = { places: this.placesOf(target, path), trailers, socket: SOCKET.service };
    this.bubbles.replyAll(target, 0, reply, now);
  }

  /** Through the peer's server, with all that the peer needs to reach us. */
  sendIndirect(path: PeerPath, now: number): void {
    const target = this.addressOf(path);
    const nonce = this.newNonce();
    const trailers: BubbleTrailers = {
      nonce,
      alternates: this.alternates(),
      randomPort: path.ownSocket === 0 ? 0 : path.randomPort, // E-64, E-86
      guess: guessTrailer(this.context, path, this.guesses.get(path)),
    };
    const send = (): boolean => this.bubbles.sendIndirect(target, trailers, path.isWanted, now);
    if (!this.context.commands.naming(trailers.randomPort === 0 ? 0 : path.ownSocket, send)) return;
    path.nonceBefore = path.nonceSent; // the answer to the one before may still come
    path.nonceSent = nonce;
  }

  /** The bubble of an Echo Test. It goes to the peer's later place, so that it takes the port that is predicted. */
  sendTestBubble(path: PeerPath, socket: SocketId, now: number): void {
    const target = this.addressOf(path);
    const { address, port } = this.bubbles.pairIn(target, 0);
    const place = { address, port: path.peerRandomPort || port, socket };
    this.bubbles.sendDirect(target, place, { nonce: path.nonceReceived }, path.isWanted, now);
  }

  /** The peer was heard from this place, and cannot know that yet. `nonce`: the peer's, 0: none. */
  confirm(peer: number, nonce: number, place: Place, now: number): void {
    const { context } = this;
    const { address, port } = place;
    // Our symmetric NAT shows it another pair than our address says. Without a nonce the peer would take the bubble for forged and not answer.
    const isForged =
      context.qualified!.symmetric &&
      context.policy.isGlobalUnicast(address) &&
      !context.isMeetingPoint(address, port);
    if (nonce === 0 && isForged) return;
    this.bubbles.reply(context.peers.address(peer), 0, place, now, { nonce });
  }

  /**
   * The peer has shown our nonce, from this place for the first time. The spacing of replies does not hold: an earlier bubble to there may have
   * opened our NAT without arriving. At most four in 2 s: two sides that each prefer another place would continue endlessly.
   */
  confirmShown(path: PeerPath, place: Place, now: number): void {
    if (now - path.confirmedAt >= BUBBLE_SPACING_MS) [path.confirmedAt, path.confirmations] = [now, 0];
    if (++path.confirmations > CONFIRMATIONS) {
      this.confirm(path.peer, path.nonceReceived, place, now);
      return;
    }
    const guess = guessTrailer(this.context, path, this.guesses.get(path));
    const trailers = { nonce: path.nonceReceived, guess };
    this.bubbles.sendDirect(this.addressOf(path), place, trailers, path.isWanted, now);
  }

  /** Asks a trusted peer, at its place, whether it hears us. */
  solicit(path: PeerPath, now: number): void {
    const { peers } = this.context;
    const { peer } = path;
    const [address, port, socket] = [
      peers.mappedAddress[peer]!,
      peers.mappedPort[peer]!,
      peers.socket[peer]!,
    ];
    const trailers = { nonce: path.nonceReceived, neighborDiscovery: 'solicitation' } as const;
    this.bubbles.sendDirect(peers.address(peer), { address, port, socket }, trailers, path.isWanted, now);
  }

  /** No other way was found: a bubble via the user's own relay. docs/adr/0017 */
  askMeetingRelay(path: PeerPath, now: number): void {
    const { peers, options } = this.context;
    if (options.meet === undefined || peers.isValid(path.peer, now)) return;
    const place = { ...options.meet, socket: SOCKET.service };
    this.bubbles.sendDirect(this.addressOf(path), place, {}, path.isWanted, now);
  }

  private addressOf({ peer }: PeerPath): Uint8Array {
    return this.context.peers.address(peer);
  }

  /** Where the peer may be reached from the service port. E-66, E-93 */
  private placesOf(target: Uint8Array, path: PeerPath): Endpoint[] {
    const places = [this.bubbles.pairIn(target, 0)];
    if (path.peerRandomPort !== 0 && !this.context.qualified!.symmetric)
      places.push({ address: mappedAddressOf(target, 0), port: path.peerRandomPort });
    return [...places, ...path.alternates.filter((one) => this.mayBePeer(one))];
  }

  private mayBePeer({ address, port }: Endpoint): boolean {
    const { policy, network, servicePort } = this.context;
    const isSelf = address === network.localAddress && port === servicePort;
    return policy.isUnicast(address) && !isSelf;
  }

  /** Our pair on our own link, for a peer behind the same NAT, and the pair at which our NAT admits packets from everywhere. E-91 */
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
