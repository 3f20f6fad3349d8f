import type { Entropy } from '../entropy.ts';
import { NO_USERS, Summary } from './summary.ts';
import type { UserCounts } from './summary.ts';

export const USER_WINDOWS = ['minute', 'hour', 'day'] as const;
/** The span of time up to now. */
export type UserWindow = (typeof USER_WINDOWS)[number];

const SPAN_MS = 10_000;
/** A window is made of the last `count` complete parts of so many spans, and of the present part. */
const PARTS = [
  { spans: 1, count: 6 },
  { spans: 30, count: 12 },
  { spans: 360, count: 24 },
] as const;
const ALL_SPANS = 25 * 360;

/** The users of a window. */
export interface WindowUsers {
  readonly users: UserCounts;
  /** How long the window is, ms: its name's time and up to a sixth, a twelfth, a twenty-fourth of it more; less after the first use. */
  readonly ms: number;
}

/** The users of the last minute, hour and day, in constant memory: at most 0.5 MB. */
export class UserWindows {
  /** The present part of each window, without the present parts of shorter ones. */
  private readonly present: readonly Summary[];
  /** The complete parts of each window, the oldest first. */
  private readonly complete: UserCounts[][] = PARTS.map(() => []);
  private readonly sum: Summary;
  /** The first use, and the number of spans since then. */
  private startedAt: number | undefined;
  private spans = 0;
  private spanEnd = -Infinity;

  constructor(entropy: Entropy) {
    this.present = PARTS.map(() => new Summary(entropy));
    this.sum = new Summary(entropy);
  }

  /** Counts octets of the user with this key of four words. */
  add(key: Uint32Array, received: number, sent: number, now: number): void {
    if (now >= this.spanEnd) this.advance(now);
    this.present[0]!.add(key, received, sent);
  }

  /** As {@link add}, for octets of minutes ago: the last minute does not have them. */
  addLate(key: Uint32Array, received: number, sent: number, now: number): void {
    if (now >= this.spanEnd) this.advance(now);
    this.present[1]!.add(key, received, sent);
  }

  /** As {@link add}; the octets are estimated. */
  addEstimated(key: Uint32Array, received: number, sent: number, now: number): void {
    if (now >= this.spanEnd) this.advance(now);
    this.present[0]!.addEstimated(key, received, sent);
  }

  over(window: UserWindow, now: number): WindowUsers {
    if (now >= this.spanEnd) this.advance(now);
    const at = USER_WINDOWS.indexOf(window);
    const { sum } = this;
    sum.clear();
    for (const users of this.complete[at]!) sum.merge(users);
    for (const users of this.present.slice(0, at + 1)) sum.merge(users);
    return { users: sum.freeze(), ms: this.lengthOf(at, now) };
  }

  private lengthOf(at: number, now: number): number {
    const ms = PARTS[at]!.spans * SPAN_MS;
    return this.complete[at]!.length * ms + ((now - this.startedAt!) % ms);
  }

  private advance(now: number): void {
    this.startedAt ??= now;
    const spans = Math.floor((now - this.startedAt) / SPAN_MS);
    if (spans - this.spans > ALL_SPANS) this.forget(spans);
    while (this.spans < spans) {
      this.spans++;
      this.completePart(0);
    }
    this.spanEnd = this.startedAt + (spans + 1) * SPAN_MS;
  }

  private completePart(at: number): void {
    const users = this.present[at]!.freeze();
    this.present[at]!.clear();
    const complete = this.complete[at]!;
    complete.push(users);
    if (complete.length > PARTS[at]!.count) complete.shift();
    const next = PARTS[at + 1];
    if (next === undefined) return;
    this.present[at + 1]!.merge(users);
    if (this.spans % next.spans === 0) this.completePart(at + 1);
  }

  /** Nothing has happened for longer than the longest window. */
  private forget(spans: number): void {
    this.spans = spans;
    for (const users of this.present) users.clear();
    for (const [at, { count }] of PARTS.entries())
      this.complete[at] = Array.from({ length: count }, () => NO_USERS);
  }
}
