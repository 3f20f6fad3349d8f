import type { Entropy } from '../../entropy.ts';
import { HashKey } from '../../hash.ts';
import { Recent } from '../../recent.ts';
import { DESTINATION, ICMPV6, NEXT_HEADER, SOURCE, readUint32, upperLayer } from '../../../wire/index.ts';
import type { UpperLayer } from '../../../wire/index.ts';

/** More flows than a host has yet to answer. */
const MOST = 16_384;
/** Longer than a host answers a source that has gone silent: a SYN-ACK's repetitions end after half a minute. */
const MEMORY_MS = 60_000;

/** Offset of the TCP flags, and the two that tell the first segment of a connection. RFC 9293 section 3.1 */
const TCP_FLAGS = 13;
const SYN = 0x02;
const ACK = 0x10;
/** Protocols with source and destination port at the beginning of their header. */
const WITH_PORTS: ReadonlySet<number> = new Set([NEXT_HEADER.TCP, NEXT_HEADER.UDP, 33, 132, 136]);
/** Stands for all ports where a packet has none. */
const NO_PORTS = -1;

interface Mark {
  readonly at: number;
  /** The IPv4 address from which the packet came, with FORWARDED if only our server names it. */
  readonly via: number;
}

/**
 * Flows in which a source spoke to this host before it has proven itself: the host's answers may go to a victim of forged
 * packets. The mark is on the flow, not on the address, and never on a flow that this host has begun: any host can send in the name of an
 * address, and this must not count against other packets to it. When there are too many, those silent longest are forgotten.
 */
export class Strangers {
  private readonly hash: HashKey;
  /** By the hash of each flow: when it was last heard, and from which IPv4 address. */
  private readonly spoken = new Recent<Mark>(MEMORY_MS, 4 * MOST);
  /** When this host last sent something in a flow that it has begun. */
  private readonly begun = new Recent<number>(MEMORY_MS, 2 * MOST);

  constructor(entropy: Entropy) {
    this.hash = new HashKey(entropy);
  }

  /** The IPv6 packet `b[start, end)` has come, from this IPv4 address, from a source that has not proven itself. */
  note(b: Uint8Array, start: number, end: number, via: number, now: number): void {
    this.mark(this.tagOf(b, start + SOURCE, NO_PORTS), via, now);
    const upper = upperLayer(b, start, end);
    if (upper === undefined) return;
    const flow = this.tagOf(b, start + SOURCE, portsOf(b, upper, end), upper.protocol);
    if (now - (this.begun.get(flow) ?? -Infinity) >= MEMORY_MS) this.mark(flow, via, now);
  }

  /** The packet `b[start, end)` of this host, which is no answer, is about to be sent. */
  noteOwn(b: Uint8Array, start: number, end: number, now: number): void {
    this.begun.set(this.flowOf(b, start, upperLayer(b, start, end), end), now, now);
  }

  /**
   * The IPv4 address of the source that the packet `b[start, end)` of this host may answer; undefined: it answers none. A first segment of a
   * TCP connection and an echo request never do. Other packets do in a flow that the source has begun; ICMPv6, and later fragments, to an address
   * that has spoken.
   */
  answeredBy(b: Uint8Array, start: number, end: number, now: number): number | undefined {
    const upper = upperLayer(b, start, end);
    if (isBeginning(b, upper, end)) return undefined;
    const mark = this.spoken.get(this.flowOf(b, start, upper, end));
    return mark !== undefined && now - mark.at < MEMORY_MS ? mark.via : undefined;
  }

  /** The flow of a packet of this host, as a packet of the other side would name it. */
  private flowOf(b: Uint8Array, start: number, upper: UpperLayer | undefined, end: number): number {
    if (upper === undefined || upper.protocol === NEXT_HEADER.ICMPV6)
      return this.tagOf(b, start + DESTINATION, NO_PORTS);
    const ports = portsOf(b, upper, end);
    const mirrored = ports === NO_PORTS ? ports : ((ports >>> 16) | (ports << 16)) >>> 0;
    return this.tagOf(b, start + DESTINATION, mirrored, upper.protocol);
  }

  private mark(tag: number, via: number, now: number): void {
    this.spoken.set(tag, { at: now, via }, now);
  }

  private tagOf(b: Uint8Array, address: number, ports: number, protocol = 0): number {
    const words = [0, 4, 8, 12].map((at) => readUint32(b, address + at)) as [number, number, number, number];
    return this.hash.of4(this.hash.of4(...words), ports, protocol, 0);
  }
}

/** Source and destination port in one word, where the protocol has any at a fixed place. */
function portsOf(b: Uint8Array, { protocol, at }: UpperLayer, end: number): number {
  return WITH_PORTS.has(protocol) && end - at >= 4 ? readUint32(b, at) : NO_PORTS;
}

function isBeginning(b: Uint8Array, upper: UpperLayer | undefined, end: number): boolean {
  if (upper === undefined) return false;
  const { protocol, at } = upper;
  if (protocol === NEXT_HEADER.TCP && end - at > TCP_FLAGS) return (b[at + TCP_FLAGS] & (SYN | ACK)) === SYN;
  return protocol === NEXT_HEADER.ICMPV6 && end > at && b[at] === ICMPV6.ECHO_REQUEST;
}
