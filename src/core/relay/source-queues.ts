import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import type { Requester } from '../payments.ts';
import type { WaitingLimits } from './limits.ts';

/** The longest time that a packet waits. After that the sender has sent it again. */
const WAIT_MS = 4_000;
/** Time between two looks at the queues if nothing else happens: the budgets fill with time. */
const LOOK_MS = 250;
const LINES = 1_024;
/** Packets that leave the queues at one timeout, or at one answer: a turn of a millisecond or two. */
const SERVED_AT_ONCE = 128;

interface Line {
  packets: { readonly bytes: Uint8Array; readonly until: number }[];
  /** Number of packets at the front that are no longer in the queue. */
  gone: number;
  bytes: number;
}

/**
 * Packets whose source has used up its budget of bubbles for the moment, in one queue for each /64 (by hash), first in
 * first out. A host that sends to many new clients at once is served when they answer, or when the budget fills again. When all room is taken, a
 * queue with less than an equal part of it gets some of the longest queue's. R-31
 */
export class SourceQueues {
  private readonly limits: WaitingLimits;
  private readonly hash: HashKey;
  private readonly lines = new Map<number, Line>();
  private readonly dropped: (packet: Uint8Array, isCrowdedOut: boolean) => void;
  private packets = 0;
  private bytes = 0;
  private lookAt = Infinity;

  /** `dropped`: called for a packet that has waited too long; or, `isCrowdedOut`, that has made room for one of another source. */
  constructor(
    limits: WaitingLimits,
    entropy: Entropy,
    dropped: (packet: Uint8Array, isCrowdedOut: boolean) => void,
  ) {
    this.limits = limits;
    this.hash = new HashKey(entropy);
    this.dropped = dropped;
  }

  get isEmpty(): boolean {
    return this.packets === 0;
  }

  /** Packets that wait. Those of one /64 are in order. */
  *all(): Generator<Uint8Array> {
    for (const { packets, gone } of this.lines.values())
      for (const { bytes } of packets.slice(gone)) yield bytes;
  }

  get waitingPackets(): number {
    return this.packets;
  }

  get waitingBytes(): number {
    return this.bytes;
  }

  /** Whether there is no room for this many octets, whatever the source. */
  isFull(length: number): boolean {
    return this.packets >= this.limits.packets || this.bytes + length > this.limits.bytes;
  }

  /** Adds a copy of `buffer[start, end)`. False: there is no room. */
  add(requester: Requester, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    const { packetsPerSource, bytesPerSource } = this.limits;
    const length = end - start;
    const number = this.lineOf(requester);
    const line = this.lines.get(number) ?? { packets: [], gone: 0, bytes: 0 };
    if (line.packets.length - line.gone >= packetsPerSource || line.bytes + length > bytesPerSource)
      return false;
    if (this.isFull(length) && !this.makeRoom(line, length)) return false;
    this.lines.set(number, line);
    line.packets.push({ bytes: buffer.slice(start, end), until: now + WAIT_MS });
    line.bytes += length;
    this.bytes += length;
    this.packets++;
    this.lookAt = Math.min(this.lookAt, now + LOOK_MS);
    return true;
  }

  /** Passes the packets of this source's /64 to `take`, in order, until it returns false. Of very many some: the others at the next timeout. */
  serve(requester: Requester, now: number, take: (packet: Uint8Array) => boolean): void {
    if (this.isEmpty) return;
    const number = this.lineOf(requester);
    const line = this.lines.get(number);
    if (line !== undefined && this.serveLine(number, line, now, take, SERVED_AT_ONCE) === 0)
      this.lookAt = now;
  }

  handleTimeout(now: number, take: (packet: Uint8Array) => boolean): void {
    if (now < this.lookAt) return;
    let left = SERVED_AT_ONCE;
    for (const [number, line] of this.lines) {
      left = this.serveLine(number, line, now, take, left);
      if (left === 0) break;
    }
    if (left > 0) this.lookAt = this.isEmpty ? Infinity : now + LOOK_MS;
  }

  pollTimeout(): number {
    return this.lookAt;
  }

  /** At most `most` packets leave. Returns how many more might. */
  private serveLine(
    number: number,
    line: Line,
    now: number,
    take: (packet: Uint8Array) => boolean,
    most: number,
  ): number {
    let left = most;
    for (; left > 0; left--) {
      const first = line.packets[line.gone];
      if (first === undefined) break;
      if (first.until <= now) this.dropped(first.bytes, false);
      else if (!take(first.bytes)) break;
      line.gone++;
      line.bytes -= first.bytes.length;
      this.bytes -= first.bytes.length;
      this.packets--;
    }
    if (line.gone === line.packets.length) this.lines.delete(number);
    else if (line.gone > line.packets.length / 2) {
      line.packets = line.packets.slice(line.gone);
      line.gone = 0;
    }
    return left;
  }

  /**
   * For so many octets of this line; false where it would have more than an equal part of all. So the longest is looked for only as often as
   * room changes hands.
   */
  private makeRoom(line: Line, length: number): boolean {
    const part = this.partOf(line, 1, length);
    if (part > 1 / (this.lines.size + (line.packets.length === 0 ? 1 : 0))) return false;
    while (this.isFull(length)) {
      const longest = this.longest();
      if (longest === undefined || this.partOf(longest[1]) <= part) return false;
      this.crowdOut(...longest, part, length);
    }
    return true;
  }

  /** The latest packets of the line go, until there is room or it is no longer than that. */
  private crowdOut(number: number, line: Line, part: number, length: number): void {
    while (this.isFull(length) && this.partOf(line) > part) {
      const { bytes } = line.packets.pop()!;
      line.bytes -= bytes.length;
      this.bytes -= bytes.length;
      this.packets--;
      this.dropped(bytes, true);
    }
    if (line.gone === line.packets.length) this.lines.delete(number);
  }

  private longest(): [number, Line] | undefined {
    let found: [number, Line] | undefined;
    let most = 0;
    for (const entry of this.lines) {
      const part = this.partOf(entry[1]);
      if (part > most) [found, most] = [entry, part];
    }
    return found;
  }

  /** The part of all room that the line has, or would have with so much more. */
  private partOf(line: Line, packets = 0, bytes = 0): number {
    const waiting = line.packets.length - line.gone + packets;
    return Math.max(waiting / this.limits.packets, (line.bytes + bytes) / this.limits.bytes);
  }

  private lineOf(requester: Requester): number {
    return this.hash.of2(requester[0], requester[1]) & (LINES - 1);
  }
}
