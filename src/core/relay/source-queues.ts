import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import type { Requester } from '../contacts.ts';
import type { WaitingLimits } from './limits.ts';

/** How long a packet waits at the most: longer, and whoever sent it has sent it again. */
const WAIT_MS = 4_000;
/** How often the lines are looked at without an occasion: their budgets fill with time. */
const LOOK_MS = 250;
const LINES = 1_024;

interface Line {
  packets: { readonly bytes: Uint8Array; readonly until: number }[];
  /** How many at the front have gone. */
  gone: number;
  bytes: number;
}

/**
 * Packets whose source has used up its budget of bubbles for the moment, in one line for each /64 (by hash), first in
 * first out: a host that meets many new clients at once is served as they answer, or as time goes by. Where all room is taken, a line that has less
 * than an equal part of it gets some of the longest one. R-31
 */
export class SourceQueues {
  private readonly limits: WaitingLimits;
  private readonly hash: HashKey;
  private readonly lines = new Map<number, Line>();
  private readonly dropped: (packet: Uint8Array, isCrowdedOut: boolean) => void;
  private packets = 0;
  private bytes = 0;
  private lookAt = Infinity;

  /** `dropped`: this one has waited in vain; `isCrowdedOut`: it has made room for another source's. */
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

  get waitingPackets(): number {
    return this.packets;
  }

  get waitingBytes(): number {
    return this.bytes;
  }

  /** Whether there is no room for so many octets of any source. */
  isFull(length: number): boolean {
    return this.packets >= this.limits.packets || this.bytes + length > this.limits.bytes;
  }

  /** A copy of `buffer[start, end)` waits; false where there is no room. */
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

  /** Offers the packets of this source's /64, in order, until one is not taken. */
  serve(requester: Requester, now: number, take: (packet: Uint8Array) => boolean): void {
    if (this.isEmpty) return;
    const number = this.lineOf(requester);
    const line = this.lines.get(number);
    if (line !== undefined) this.serveLine(number, line, now, take);
  }

  handleTimeout(now: number, take: (packet: Uint8Array) => boolean): void {
    if (now < this.lookAt) return;
    for (const [number, line] of this.lines) this.serveLine(number, line, now, take);
    this.lookAt = this.isEmpty ? Infinity : now + LOOK_MS;
  }

  pollTimeout(): number {
    return this.lookAt;
  }

  private serveLine(number: number, line: Line, now: number, take: (packet: Uint8Array) => boolean): void {
    for (;;) {
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
