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
 * first out: a host that meets many new clients at once is served as they answer, or as time goes by. R-31
 */
export class SourceQueues {
  private readonly limits: WaitingLimits;
  private readonly hash: HashKey;
  private readonly lines = new Map<number, Line>();
  private readonly dropped: (packet: Uint8Array) => void;
  private packets = 0;
  private bytes = 0;
  private lookAt = Infinity;

  /** `dropped`: this one has waited in vain. */
  constructor(limits: WaitingLimits, entropy: Entropy, dropped: (packet: Uint8Array) => void) {
    this.limits = limits;
    this.hash = new HashKey(entropy);
    this.dropped = dropped;
  }

  get isEmpty(): boolean {
    return this.packets === 0;
  }

  /** Whether there is no room for so many octets of any source. */
  isFull(length: number): boolean {
    return this.packets >= this.limits.packets || this.bytes + length > this.limits.bytes;
  }

  /** A copy of `buffer[start, end)` waits; false where there is no room. */
  add(requester: Requester, buffer: Uint8Array, start: number, end: number, now: number): boolean {
    const { packetsPerSource, bytesPerSource } = this.limits;
    const length = end - start;
    if (this.isFull(length)) return false;
    const number = this.lineOf(requester);
    let line = this.lines.get(number);
    if (packetsPerSource < 1 || length > bytesPerSource) return false;
    if (line === undefined) this.lines.set(number, (line = { packets: [], gone: 0, bytes: 0 }));
    if (line.packets.length - line.gone >= packetsPerSource || line.bytes + length > bytesPerSource)
      return false;
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
      if (first.until <= now) this.dropped(first.bytes);
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

  private lineOf(requester: Requester): number {
    return this.hash.of2(requester[0], requester[1]) & (LINES - 1);
  }
}
