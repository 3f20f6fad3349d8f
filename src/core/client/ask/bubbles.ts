import { BUBBLE_HOP_LIMIT, BUBBLE_SPACING_MS, RELAYED_ANSWER_HOP_LIMIT } from '../../constants.ts';
import { FairShares } from '../../fair-shares.ts';
import { HashKey } from '../../hash.ts';
import { Recent } from '../../recent.ts';
import { TokenBuckets } from '../../token-buckets.ts';
import type { BucketLimits } from '../../token-buckets.ts';
import {
  IPV6_HEADER,
  MAX_TRAILER_BYTES,
  TEREDO_PORT,
  mappedAddressOf,
  mappedPortOf,
  readUint32,
  serverOf,
  writeAlternateAddresses,
  writeBubble,
  writeGuess,
  writeNeighborDiscovery,
  writeNonce,
  writeRandomPort,
  writeUint32,
} from '../../../wire/index.ts';
import type { Endpoint, GuessTrailer, Ipv4 } from '../../../wire/index.ts';
import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import type { Place } from '../place.ts';

/**
 * A peer sends its attempts 2 s apart, and they may arrive closer together. One that comes this much earlier is answered 2 s after the last reply.
 * One that comes even earlier is a copy of the one before.
 */
const EARLY_MS = 500;
/** The most replies of which the time is remembered. */
const MOST_REPLIED = 32_768;
/** The most replies that wait for their time. */
const MOST_POSTPONED = 64;
/** The most of these to one IPv4 address. */
const MOST_POSTPONED_BY_ADDRESS = 8;
/** Many more than peers that a client meets within a second or two; two of them in one bucket share its limit. */
const BUCKETS = 1_024;
/** The bubbles that the limit of an address gets back when an attempt was answered. */
const ANSWERED_ATTEMPT = 2;

/** Of the mapped addresses, and the ports, of the peers that are answered at an address: others may list it as their own. */
const WEIGHTS = [8, 4];

/** The trailers of a bubble. RFC 6081 section 4 */
export interface BubbleTrailers {
  /** 0: none. */
  readonly nonce?: number;
  readonly alternates?: readonly Endpoint[];
  /** 0: none. */
  readonly randomPort?: number;
  readonly neighborDiscovery?: 'solicitation' | 'advertisement' | undefined;
  readonly guess?: GuessTrailer | undefined;
}

/** Distinguishes replies of that kind. */
const ADVERTISEMENT = 0x8000_0000;

const NO_TRAILERS: BubbleTrailers = {};

/** A bubble that answers a peer, to each of these places. */
export interface Reply {
  readonly places: readonly Endpoint[];
  readonly trailers: BubbleTrailers;
  readonly socket: SocketId;
}

interface PostponedReply extends Reply {
  readonly target: Uint8Array;
  readonly dueAt: number;
}

/** Sends bubbles from the client's Teredo address. RFC 4380 section 5.2.6. CL-96 */
export class Bubbles {
  private readonly context: ClientContext;
  private readonly replies: FairShares;
  private readonly direct: TokenBuckets;
  private readonly indirect: TokenBuckets;
  /** When peers were, or will be, replied to, by hash of peer and place. Where there are too many the limits of addresses remain. */
  private readonly repliedAt = new Recent<number>(BUBBLE_SPACING_MS + EARLY_MS, MOST_REPLIED);
  private readonly hash: HashKey;
  private postponed: PostponedReply[] = [];
  private nextReplyAt = Infinity;

  constructor(context: ClientContext) {
    this.context = context;
    this.replies = new FairShares(context.limits.bubbleReplies, WEIGHTS, context.entropy, BUCKETS);
    this.direct = new TokenBuckets(context.limits.directBubbles, context.entropy, BUCKETS);
    this.indirect = new TokenBuckets(context.limits.indirectBubbles, context.entropy, BUCKETS);
    this.hash = new HashKey(context.entropy);
  }

  /** Whether a peer's Teredo address allows bubbles to its mapped address and to its server. CL-66 */
  isReachable(b: Uint8Array, o: number): boolean {
    const { policy } = this.context;
    return (
      policy.isGlobalUnicast(mappedAddressOf(b, o)) &&
      policy.isGlobalUnicast(serverOf(b, o)) &&
      mappedPortOf(b, o) !== 0
    );
  }

  /**
   * Straight to a place, within the limit of its address. `isWanted`: this host wants the target. Bubbles to other targets take at most half of
   * the limit, so that strangers that list an address leave the rest to this host. CL-65, CL-90
   */
  sendDirect(
    target: Uint8Array,
    place: Place,
    trailers: BubbleTrailers,
    isWanted: boolean,
    now: number,
  ): void {
    const { counters, limits } = this.context;
    const { address } = place;
    if (!isLeft(this.direct, limits.directBubbles, address, isWanted, now)) {
      counters.suppressedBubbles++;
      this.context.hits.ipv4('direct-bubbles', address);
      return;
    }
    counters.sentDirectBubbles++;
    this.send(target, place, trailers, place.socket);
  }

  /** Through the server of the target, within the limit of that server, with the same half. False: the limit forbids it. CL-92 */
  sendIndirect(target: Uint8Array, trailers: BubbleTrailers, isWanted: boolean, now: number): boolean {
    const server = serverOf(target, 0);
    if (!isLeft(this.indirect, this.context.limits.indirectBubbles, server, isWanted, now)) {
      this.context.counters.suppressedBubbles++;
      this.context.hits.ipv4('indirect-bubbles', server);
      return false;
    }
    this.sendProbe(target, trailers);
    return true;
  }

  /** The same without a limit. */
  sendProbe(target: Uint8Array, trailers: BubbleTrailers = NO_TRAILERS): void {
    this.context.counters.sentIndirectBubbles++;
    this.send(target, { address: serverOf(target, 0), port: TEREDO_PORT }, trailers);
  }

  /** A unicast bubble to where a neighbour's discovery bubble came from. CL-63 */
  sendLocal(target: Uint8Array, address: Ipv4, port: number): void {
    this.context.counters.sentDirectBubbles++;
    this.send(target, { address, port }, NO_TRAILERS);
  }

  /** The pair in a peer's Teredo address. */
  pairIn(b: Uint8Array, o: number): Endpoint {
    return { address: mappedAddressOf(b, o), port: mappedPortOf(b, o) };
  }

  /**
   * Answers the packet with the IPv6 source at an offset by a bubble to this place, within two limits: one in 2 s for a peer at one place from one
   * socket, and the limit of the IPv4 address. The budget of our own attempts is another one, because the peer's attempt must be answered while
   * ours is under way. CL-51
   */
  reply(
    b: Uint8Array,
    source: number,
    { address, port, socket }: Place,
    now: number,
    trailers: BubbleTrailers = NO_TRAILERS,
  ): void {
    this.replyAll(b, source, { places: [{ address, port }], trailers, socket }, now);
  }

  /** The same to all places where the peer may be: one spacing for all, a limit for each address. E-93 */
  replyAll(b: Uint8Array, source: number, { places, trailers, socket }: Reply, now: number): void {
    // E-114: an advertisement does not wait because of another reply.
    const kind = trailers.neighborDiscovery === undefined ? 0 : ADVERTISEMENT;
    const key = this.keyOf(b, source, places, socket | kind);
    const dueAt = Math.max(now, (this.repliedAt.get(key) ?? -Infinity) + BUBBLE_SPACING_MS);
    if (dueAt - now > EARLY_MS || (dueAt > now && !this.mayPostpone(places))) {
      this.context.counters.suppressedBubbleReplies++;
      return;
    }
    this.repliedAt.set(key, dueAt, now);
    const target = b.slice(source, source + 16);
    const reply = { target, places, trailers, socket, dueAt };
    if (dueAt === now) this.sendReply(reply, now);
    else this.postpone(reply);
  }

  handleTimeout(now: number): void {
    if (now < this.nextReplyAt) return;
    const waiting = this.postponed;
    this.postponed = [];
    this.nextReplyAt = Infinity;
    for (const reply of waiting) {
      if (reply.dueAt > now) this.postpone(reply);
      // CL-4: the client may have lost its service, or its address, in the meantime
      else if (this.context.qualified === undefined) this.context.counters.suppressedBubbleReplies++;
      else this.sendReply(reply, now);
    }
  }

  pollTimeout(): number {
    return this.nextReplyAt;
  }

  /** A peer at this address has answered an attempt. The server that the peer names earns nothing by that. */
  reward(address: Ipv4, now: number): void {
    this.direct.give(address, 0, now, ANSWERED_ATTEMPT);
    this.replies.give(address, now, ANSWERED_ATTEMPT);
  }

  /** Each word is hashed separately, so that another peer or place does not have the same key. */
  private keyOf(b: Uint8Array, source: number, places: readonly Endpoint[], way: number): number {
    let key = this.hash.of4(
      readUint32(b, source),
      readUint32(b, source + 4),
      readUint32(b, source + 8),
      readUint32(b, source + 12),
    );
    key = this.hash.of2(key, way);
    for (const { address, port } of places) key = this.hash.of4(key, address, port, 0);
    return key;
  }

  private mayPostpone([first]: readonly Endpoint[]): boolean {
    const { postponed } = this;
    if (postponed.length >= MOST_POSTPONED) return false;
    const others = postponed.filter(({ places }) => places[0]?.address === first?.address);
    return others.length < MOST_POSTPONED_BY_ADDRESS;
  }

  private postpone(reply: PostponedReply): void {
    this.postponed.push(reply);
    this.nextReplyAt = Math.min(this.nextReplyAt, reply.dueAt);
  }

  private sendReply({ target, places, trailers, socket }: PostponedReply, now: number): void {
    const { counters, hits } = this.context;
    for (const { address, port } of places) {
      if (this.replies.take(address, [mappedAddressOf(target, 0), mappedPortOf(target, 0)], now)) {
        counters.sentBubbleReplies++;
        const isRelayed = this.context.isMeetingPoint(address, port);
        const hopLimit = isRelayed ? RELAYED_ANSWER_HOP_LIMIT : BUBBLE_HOP_LIMIT;
        this.send(target, { address, port }, trailers, socket, hopLimit);
      } else {
        counters.suppressedBubbleReplies++;
        hits.ipv4('bubble-replies', address);
      }
    }
  }

  /** Straight to a pair. The caller has a limit of its own. */
  sendGuess(target: Uint8Array, address: Ipv4, port: number, nonce: number, socket: SocketId): void {
    this.context.counters.sentGuesses++;
    this.send(target, { address, port }, { nonce }, socket);
  }

  private send(
    target: Uint8Array,
    { address, port }: Endpoint,
    trailers: BubbleTrailers,
    socket: SocketId = SOCKET.service,
    hopLimit = BUBBLE_HOP_LIMIT,
  ): void {
    const bubble = new Uint8Array(IPV6_HEADER + MAX_TRAILER_BYTES);
    const end = writeTrailers(
      bubble,
      writeBubble(bubble, 0, this.context.address!, 0, target, 0, hopLimit),
      trailers,
    );
    this.context.commands.transmit(socket, bubble, 0, end, address, port);
  }
}

/**
 * Takes a token of the address. For a target that this host does not want, only from the upper half of the bucket. A bucket too small for two
 * halves gives its token to either.
 */
function isLeft(
  buckets: TokenBuckets,
  { burst }: BucketLimits,
  address: Ipv4,
  isWanted: boolean,
  now: number,
): boolean {
  const least = isWanted ? 1 : Math.min(burst, 1 + burst / 2);
  return buckets.has(address, 0, now, least) && buckets.take(address, 0, now);
}

/** Returns the end offset. E-2 */
function writeTrailers(
  b: Uint8Array,
  o: number,
  { nonce = 0, alternates = [], randomPort = 0, neighborDiscovery, guess }: BubbleTrailers,
): number {
  let at = o;
  if (nonce !== 0) {
    const bytes = new Uint8Array(4);
    writeUint32(bytes, 0, nonce);
    at = writeNonce(b, at, bytes);
  }
  if (alternates.length > 0) at = writeAlternateAddresses(b, at, alternates);
  if (randomPort !== 0) at = writeRandomPort(b, at, randomPort);
  if (neighborDiscovery !== undefined) at = writeNeighborDiscovery(b, at, neighborDiscovery);
  if (guess !== undefined) at = writeGuess(b, at, guess);
  return at;
}
