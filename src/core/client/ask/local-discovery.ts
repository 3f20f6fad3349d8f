import type { Arrival } from '../../arrival.ts';
import {
  DISCOVERY_GROUP,
  DISCOVERY_INTERVAL_HIGH_MS,
  DISCOVERY_INTERVAL_LOW_MS,
  LOCAL_PEER_MEMORY_MS,
} from '../../constants.ts';
import { randomBetween } from '../../entropy.ts';
import { FairShares } from '../../fair-shares.ts';
import { NO_PEER } from '../../peer-table.ts';
import {
  ALL_NODES,
  DESTINATION,
  SOURCE,
  TEREDO_PORT,
  buildBubble,
  decodeDatagram,
  equalBytes,
  isBubble,
  isTeredo,
  mappedAddressOf,
  mappedPortOf,
  parseTrailers,
} from '../../../wire/index.ts';
import type { Bubbles } from './bubbles.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';

/** Time until a discovery bubble for a new neighbour, which may have missed the last one, and least time between such bubbles. */
const GREETING_LOW_MS = 50;
const GREETING_HIGH_MS = 300;
const GREETING_SPACING_MS = 10_000;
/** Least time between discovery bubbles for peers that need not be on this link. */
const ANNOUNCEMENT_SPACING_MS = 1_000;
/** Of the addresses on the link. One by itself may have a third of all replies. */
const WEIGHTS = [0.5];

/** Finds clients on the same link, in particular those behind the same NAT. RFC 4380 section 5.2.8 */
export class LocalDiscovery {
  private readonly context: ClientContext;
  private readonly bubbles: Bubbles;
  private readonly replies: FairShares;
  private active = false;
  private listening = false;
  private nextAt = Infinity;
  private greetAt = Infinity;
  private greetedAt = -Infinity;
  private announcedAt = -Infinity;

  constructor(context: ClientContext, bubbles: Bubbles) {
    this.context = context;
    this.bubbles = bubbles;
    this.replies = new FairShares(context.limits.discoveryReplies, WEIGHTS, context.entropy);
  }

  /** A datagram to the group: the octets from `start` to `end`. CL-48 */
  handleDatagram(arrival: Arrival, start: number, end: number): void {
    const { context } = this;
    const { buffer: b, view, address, now } = arrival;
    if (!this.active || decodeDatagram(b, start, end, view) !== undefined || !this.isAcceptable(arrival)) {
      context.counters.droppedInvalidDiscovery++;
      return;
    }
    if (parseTrailers(b, view.ipv6End, end).discard) {
      context.counters.droppedTrailer++; // E-3
      return;
    }
    const source = view.ipv6Start + SOURCE;
    if (context.isOwn(b, source)) return; // our own, looped back
    if (!this.replies.take(0, [address], now)) {
      context.counters.droppedDiscoveryLimit++;
      context.hits.ipv4('discovery-replies', address);
      return;
    }
    context.counters.acceptedDiscoveryBubbles++;
    const peer = this.remember(arrival);
    this.bubbles.sendLocal(context.peers.address(peer), address, arrival.port);
  }

  handleTimeout(now: number): void {
    if (now < Math.min(this.greetAt, this.nextAt)) return;
    if (now >= this.greetAt) this.greetedAt = now;
    this.listen();
    this.send(now);
  }

  /** The client has qualified, or has a new address. */
  begin(now: number): void {
    if (this.context.options.localDiscovery === false) return; // CL-116
    this.active = true;
    this.listen();
    this.send(now);
  }

  /** The socket is missing: it is asked for again with the next discovery bubble. */
  socketFailed(): void {
    this.listening = false;
  }

  /** The client has no address now. */
  suspend(): void {
    this.active = false;
    this.nextAt = this.greetAt = Infinity;
  }

  /** The host has moved: the group was joined on the link that it was on, and is joined again with {@link begin}. CL-110 */
  leave(): void {
    this.suspend();
    if (this.listening) this.context.commands.event({ type: 'socket-unwanted', socket: SOCKET.discovery });
    this.listening = false;
  }

  stop(): void {
    this.leave();
    this.greetedAt = this.announcedAt = -Infinity;
  }

  /** A contact with a neighbour asks for a discovery bubble. CL-63 */
  announce(now: number): void {
    if (this.active) this.send(now);
  }

  /** A contact with a peer behind our own NAT, which may be on this link, asks for a discovery bubble. */
  announceSparingly(now: number): void {
    if (this.active && now - this.announcedAt >= ANNOUNCEMENT_SPACING_MS) this.send(now);
  }

  pollTimeout(): number {
    return Math.min(this.greetAt, this.nextAt);
  }

  /** CL-113, CL-114 */
  private isAcceptable({ buffer: b, view, address }: Arrival): boolean {
    const { context } = this;
    const source = view.ipv6Start + SOURCE;
    return (
      isBubble(b, view.ipv6Start) &&
      equalBytes(b, view.ipv6Start + DESTINATION, ALL_NODES, 0, 16) &&
      isTeredo(b, source) &&
      context.policy.isGlobalUnicast(mappedAddressOf(b, source)) &&
      mappedPortOf(b, source) !== 0 &&
      context.isLocalAddress(address) &&
      (context.options.localSameNat !== true || mappedAddressOf(b, source) === context.mapped?.address)
    );
  }

  /** CL-115 */
  private remember({ buffer: b, view, address, port, now }: Arrival): number {
    const source = view.ipv6Start + SOURCE;
    const { peers } = this.context;
    let peer = peers.find(b, source);
    if (peer === NO_PEER) {
      peer = peers.insert(b, source);
      peers.lastReceived.set(peer, now);
    }
    const isNew = now - peers.localSeen.at(peer) >= LOCAL_PEER_MEMORY_MS;
    if (isNew || peers.localAddress[peer] !== address || peers.localPort[peer] !== port) this.greet(now);
    peers.localAddress[peer] = address;
    peers.localPort[peer] = port;
    peers.localSeen.set(peer, now);
    return peer;
  }

  private greet(now: number): void {
    const soon = now + randomBetween(this.context.entropy, GREETING_LOW_MS, GREETING_HIGH_MS);
    this.greetAt = Math.min(this.greetAt, Math.max(soon, this.greetedAt + GREETING_SPACING_MS));
  }

  /** CL-110 */
  private listen(): void {
    if (!this.listening) this.context.commands.event({ type: 'socket-wanted', socket: SOCKET.discovery });
    this.listening = true;
  }

  /** C-28, CL-111 */
  private send(now: number): void {
    const { context } = this;
    const bubble = buildBubble(context.address!, ALL_NODES, 1);
    context.counters.sentDiscoveryBubbles++;
    context.commands.transmit(SOCKET.service, bubble, 0, bubble.length, DISCOVERY_GROUP, TEREDO_PORT);
    this.announcedAt = now;
    this.greetAt = Infinity;
    this.nextAt = now + randomBetween(context.entropy, DISCOVERY_INTERVAL_LOW_MS, DISCOVERY_INTERVAL_HIGH_MS);
  }
}
