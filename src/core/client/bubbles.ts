import { BUBBLE_HOP_LIMIT } from '../constants.ts';
import { TokenBuckets } from '../token-buckets.ts';
import {
  IPV6_HEADER,
  TEREDO_PORT,
  mappedAddressOf,
  mappedPortOf,
  readUint32,
  serverOf,
  writeBubble,
} from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { ClientContext } from './context.ts';
import { SOCKET } from './options.ts';

/** One reply to a peer at one place every 1.5 s: its own attempts are 2 s apart, give or take what the way adds. A-4 */
const REPLY_SPACING = { perSecond: 1 / 1.5, burst: 1 };
/** Many more than peers that a client meets within a second or two; two of them in one bucket share its limit. */
const BUCKETS = 1_024;
/** A reply that has led somewhere makes up for this many. */
const ANSWERED_REPLY = 2;

/** Sends bubbles, always from our Teredo address. RFC 4380 section 5.2.6. CL-96 */
export class Bubbles {
  private readonly context: ClientContext;
  private readonly replies: TokenBuckets;
  private readonly spacing: TokenBuckets;

  constructor(context: ClientContext) {
    this.context = context;
    this.replies = new TokenBuckets(context.limits.bubbleReplies, context.entropy, BUCKETS);
    this.spacing = new TokenBuckets(REPLY_SPACING, context.entropy, BUCKETS);
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

  /** A direct bubble and one through the peer's server (A-4: one round). CL-65, CL-90 */
  sendRound(target: Uint8Array): void {
    this.context.counters.sentDirectBubbles++;
    this.send(target, 0, mappedAddressOf(target, 0), mappedPortOf(target, 0));
    this.sendIndirect(target);
  }

  /** Through the server of the target. CL-92 */
  sendIndirect(target: Uint8Array): void {
    this.context.counters.sentIndirectBubbles++;
    this.send(target, 0, serverOf(target, 0), TEREDO_PORT);
  }

  /** A unicast bubble to where a neighbour's discovery bubble came from. CL-63 */
  sendLocal(target: Uint8Array, address: Ipv4, port: number): void {
    this.context.counters.sentDirectBubbles++;
    this.send(target, 0, address, port);
  }

  /**
   * Answers the packet whose IPv6 source is at an offset with a bubble to this pair, as far as the limits go: these are
   * apart from the budget of our own attempts, since the peer's attempt must be answered while ours is under way. CL-51
   */
  reply(b: Uint8Array, source: number, address: Ipv4, port: number, now: number): void {
    const { counters } = this.context;
    const high = readUint32(b, source + 8) ^ address;
    const low = readUint32(b, source + 12) ^ port;
    if (!this.spacing.take(high, low, now) || !this.replies.take(address, 0, now)) {
      counters.suppressedBubbleReplies++;
      return;
    }
    counters.sentBubbleReplies++;
    this.send(b, source, address, port);
  }

  /** A peer at this address has shown that it is there. */
  rewardReplies(address: Ipv4, now: number): void {
    this.replies.give(address, 0, now, ANSWERED_REPLY);
  }

  private send(target: Uint8Array, offset: number, address: Ipv4, port: number): void {
    const bubble = new Uint8Array(IPV6_HEADER);
    writeBubble(bubble, 0, this.context.address!, 0, target, offset, BUBBLE_HOP_LIMIT);
    this.context.commands.transmit(SOCKET.service, bubble, 0, IPV6_HEADER, address, port);
  }
}
