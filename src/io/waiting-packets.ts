import { HEADROOM } from '../core/machine.ts';
import { VNET } from '../linux/tun.ts';
import { IPV6_HEADER, SOURCE, equalBytes } from '../wire/index.ts';

/** The largest packet that a TUN gives. */
export const LARGEST = 65_536;
/** The most packets that wait: 4 MB, as much as the kernel lets one TCP connection send ahead by default. */
const PLACES = 64;
const PLACE = HEADROOM + LARGEST;
/** Octets that all places take. */
export const WAITING_ROOM = PLACES * PLACE;

/** Offset of the next header, and the octets behind both addresses that differ from flow to flow: the ports. */
const [NEXT_HEADER_AT, PORTS] = [6, 4];

/**
 * Packets that were read from a TUN and wait for their turn, each with its virtio header in front: super-packets, and single packets behind a
 * super-packet of the same flow. First in, first out.
 */
export class WaitingPackets {
  private readonly bytes: Uint8Array;
  private readonly start: number;
  /** Free places. The one that was used last is the next: its memory is still in the cache. */
  private readonly free: number[] = [];
  private readonly queue: number[] = [];
  private readonly lengths = new Uint32Array(PLACES);
  private readonly times = new Float64Array(PLACES);

  /** The places are in `bytes`, from `start` on. */
  constructor(bytes: Uint8Array, start: number) {
    this.bytes = bytes;
    this.start = start;
    for (let place = PLACES; place-- > 0;) this.free.push(place);
  }

  get isEmpty(): boolean {
    return this.queue.length === 0;
  }

  get isFull(): boolean {
    return this.free.length === 0;
  }

  /** Where the next packet has to be before {@link add}; only if {@link isFull} is false. */
  get nextPlace(): number {
    return this.offsetOf(this.free.at(-1)!);
  }

  /** `now`: in ms. */
  add(length: number, now: number): void {
    const place = this.free.pop()!;
    this.lengths[place] = length;
    this.times[place] = now;
    this.queue.push(place);
  }

  /** The first packet's offset. */
  get first(): number {
    return this.offsetOf(this.queue[0]!);
  }

  get firstLength(): number {
    return this.lengths[this.queue[0]!]!;
  }

  /** When the first packet was added. */
  get firstAt(): number {
    return this.times[this.queue[0]!]!;
  }

  /** Frees the place of the first packet. */
  removeFirst(): void {
    this.free.push(this.queue.shift()!);
  }

  /** Whether a packet of the same flow waits as that at `at`: the same addresses, protocol and ports. */
  hasFlowOf(at: number, length: number): boolean {
    if (length < IPV6_HEADER + PORTS) return false;
    const { bytes } = this;
    return this.queue.some((place) => {
      const other = this.offsetOf(place);
      return (
        bytes[other + NEXT_HEADER_AT] === bytes[at + NEXT_HEADER_AT] &&
        equalBytes(bytes, other + SOURCE, bytes, at + SOURCE, 32 + PORTS)
      );
    });
  }

  private offsetOf(place: number): number {
    return this.start + place * PLACE + HEADROOM;
  }
}

/** Copies a packet with its virtio header. */
export function copyPacket(bytes: Uint8Array, from: number, to: number, length: number): void {
  bytes.copyWithin(to - VNET.LENGTH, from - VNET.LENGTH, from + length);
}
