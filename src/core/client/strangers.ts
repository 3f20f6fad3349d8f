import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  icmpv6Type,
  nextHeader,
  readUint32,
} from '../../wire/index.ts';

/** More flows than a host has yet to answer. */
const MOST = 16_384;
/** Longer than a host answers a source that has gone silent: a SYN-ACK's repetitions end after half a minute. */
const MEMORY_MS = 60_000;

/** Offset of the TCP flags, and the two that tell the first segment of a connection. RFC 9293 section 3.1 */
const TCP_FLAGS = IPV6_HEADER + 13;
const SYN = 0x02;
const ACK = 0x10;
/** Stands for all ports where the protocol has none. */
const ANY_FLOW = -1;

/**
 * Flows in which a source spoke to this host before it has proven itself: the host's answers may go to a victim of forged
 * packets. The mark is on the flow, not on the address: anybody can send in the name of an address, and this must not count
 * against other packets to it. When there are too many, those silent longest are forgotten.
 */
export class Strangers {
  private readonly hash: HashKey;
  /** When each flow was last heard, by its hash; the order is that of these times. */
  private readonly spokenAt = new Map<number, number>();

  constructor(entropy: Entropy) {
    this.hash = new HashKey(entropy);
  }

  /** The IPv6 packet `b[start, end)` has come from a source that has not proven itself. */
  note(b: Uint8Array, start: number, end: number, now: number): void {
    const flow = portsOf(b, start, end);
    this.mark(this.tagOf(b, start + SOURCE, ANY_FLOW), now);
    if (flow !== undefined) this.mark(this.tagOf(b, start + SOURCE, flow, nextHeader(b, start)), now);
  }

  /**
   * Whether the packet `b[start, end)` of this host may answer such a source. A first segment of a TCP connection and an echo
   * request never do. Other TCP and UDP packets do in a flow that the source has begun; packets without ports, to an address that has spoken.
   */
  isAnswer(b: Uint8Array, start: number, end: number, now: number): boolean {
    if (isBeginning(b, start, end)) return false;
    const flow = portsOf(b, start, end);
    if (flow === undefined) return this.has(this.tagOf(b, start + DESTINATION, ANY_FLOW), now);
    const mirrored = ((flow >>> 16) | (flow << 16)) >>> 0;
    return this.has(this.tagOf(b, start + DESTINATION, mirrored, nextHeader(b, start)), now);
  }

  private mark(tag: number, now: number): void {
    const { spokenAt } = this;
    spokenAt.delete(tag);
    spokenAt.set(tag, now);
    for (const [oldest, at] of spokenAt) {
      if (spokenAt.size <= 2 * MOST && now - at < MEMORY_MS) break;
      spokenAt.delete(oldest);
    }
  }

  private has(tag: number, now: number): boolean {
    return now - (this.spokenAt.get(tag) ?? -Infinity) < MEMORY_MS;
  }

  private tagOf(b: Uint8Array, address: number, flow: number, protocol = 0): number {
    const words = [0, 4, 8, 12].map((at) => readUint32(b, address + at)) as [number, number, number, number];
    return this.hash.of4(this.hash.of4(...words), flow, protocol, 0);
  }
}

/** Source and destination port in one word; undefined where the packet has none at a fixed place. */
function portsOf(b: Uint8Array, start: number, end: number): number | undefined {
  const protocol = nextHeader(b, start);
  if ((protocol !== NEXT_HEADER.TCP && protocol !== NEXT_HEADER.UDP) || end - start < IPV6_HEADER + 4)
    return undefined;
  return readUint32(b, start + IPV6_HEADER);
}

function isBeginning(b: Uint8Array, start: number, end: number): boolean {
  const protocol = nextHeader(b, start);
  if (protocol === NEXT_HEADER.TCP && end - start > TCP_FLAGS)
    return (b[start + TCP_FLAGS] & (SYN | ACK)) === SYN;
  return (
    protocol === NEXT_HEADER.ICMPV6 &&
    end - start > IPV6_HEADER &&
    icmpv6Type(b, start) === ICMPV6.ECHO_REQUEST
  );
}
