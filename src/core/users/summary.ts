/**
 * The users with the most octets, of any number of users, in constant memory. A variant of "space saving" (Metwally, Agrawal, El Abbadi, 2005)
 * that removes in bulk, so that a new user costs little more than a known one, whatever outsiders send.
 *
 * A user has an entry, or it has had at most `error` octets. An entry counts from the moment at which it is made; `missed` is the most that
 * the user can have had before. If the table is full, the entries with the smallest upper bounds (counted + missed) are removed, and the
 * largest of these bounds becomes the new `error`. At least {@link KEPT} entries have larger bounds each time, or one of the same size. So the
 * error is less than all octets divided by KEPT, and users with more than that are never missing.
 */
import type { Entropy } from '../entropy.ts';
import { randomUint32 } from '../entropy.ts';
import { nthSmallest } from './nth-smallest.ts';

/** While there are no more users, all are counted exactly. */
export const KEPT = 256;
/** The most entries. */
const CAPACITY = 2 * KEPT;
/** Open addressing with linear probing. */
const INDEX_BITS = 11;
export const KEY_WORDS = 4;

/** Users, as columns. */
export interface UserCounts {
  readonly count: number;
  /** The key of each user has four words. */
  readonly keys: Uint32Array;
  readonly received: Float64Array;
  readonly sent: Float64Array;
  /** The most octets that the user may have had in addition. */
  readonly missed: Float64Array;
  /** The most octets of a user that is not here; 0: all users are here. */
  readonly error: number;
  /** Octets of all users. */
  readonly receivedTotal: number;
  readonly sentTotal: number;
  /** The part of both that is estimated. */
  readonly estimatedTotal: number;
}

export const NO_USERS: UserCounts = {
  count: 0,
  keys: new Uint32Array(0),
  received: new Float64Array(0),
  sent: new Float64Array(0),
  missed: new Float64Array(0),
  error: 0,
  receivedTotal: 0,
  sentTotal: 0,
  estimatedTotal: 0,
};

export class Summary implements UserCounts {
  count = 0;
  error = 0;
  receivedTotal = 0;
  sentTotal = 0;
  estimatedTotal = 0;
  readonly keys = new Uint32Array(CAPACITY * KEY_WORDS);
  readonly received = new Float64Array(CAPACITY);
  readonly sent = new Float64Array(CAPACITY);
  readonly missed = new Float64Array(CAPACITY);
  /** Entry number + 1, 0 where empty. */
  private readonly index = new Uint16Array(1 << INDEX_BITS);
  /** Of a multilinear hash. Outsiders do not know them; without collisions or with, a search ends after all entries. */
  private readonly multipliers: Uint32Array;

  constructor(entropy: Entropy) {
    this.multipliers = Uint32Array.from({ length: KEY_WORDS }, () => randomUint32(entropy) | 1);
  }

  /** Counts octets of the user with this key. */
  add(key: Uint32Array, received: number, sent: number): void {
    const entry = this.find(key[0]!, key[1]!, key[2]!, key[3]!);
    this.received[entry]! += received;
    this.sent[entry]! += sent;
    this.receivedTotal += received;
    this.sentTotal += sent;
  }

  /** As {@link add}; the octets are estimated. */
  addEstimated(key: Uint32Array, received: number, sent: number): void {
    this.add(key, received, sent);
    this.estimatedTotal += received + sent;
  }

  /** Adds other users, and other octets of the same users. */
  merge(other: UserCounts): void {
    // First, all users count as missing there.
    this.error += other.error;
    for (let entry = 0; entry < this.count; entry++) this.missed[entry]! += other.error;
    const { keys } = other;
    for (let i = 0; i < other.count; i++) {
      const key = i * KEY_WORDS;
      const entry = this.find(keys[key]!, keys[key + 1]!, keys[key + 2]!, keys[key + 3]!);
      this.received[entry]! += other.received[i]!;
      this.sent[entry]! += other.sent[i]!;
      this.missed[entry]! += other.missed[i]! - other.error;
    }
    this.receivedTotal += other.receivedTotal;
    this.sentTotal += other.sentTotal;
    this.estimatedTotal += other.estimatedTotal;
  }

  /** A copy with at most {@link KEPT} users; the others are removed here, too. */
  freeze(): UserCounts {
    if (this.count > KEPT) this.removeSmall();
    const { count, error, receivedTotal, sentTotal, estimatedTotal } = this;
    if (count === 0 && error === 0) return NO_USERS;
    return {
      count,
      keys: this.keys.slice(0, count * KEY_WORDS),
      received: this.received.slice(0, count),
      sent: this.sent.slice(0, count),
      missed: this.missed.slice(0, count),
      error,
      receivedTotal,
      sentTotal,
      estimatedTotal,
    };
  }

  clear(): void {
    if (this.count > 0) this.index.fill(0);
    this.count = this.error = this.receivedTotal = this.sentTotal = this.estimatedTotal = 0;
  }

  /** The entry of the user with this key. It is made if there is none. */
  private find(a: number, b: number, c: number, d: number): number {
    const { index, keys } = this;
    let at = this.hash(a, b, c, d);
    for (let found = index[at]!; found !== 0; found = index[at]!) {
      const key = (found - 1) * KEY_WORDS;
      if (keys[key] === a && keys[key + 1] === b && keys[key + 2] === c && keys[key + 3] === d)
        return found - 1;
      at = (at + 1) & (index.length - 1);
    }
    if (this.count === CAPACITY) {
      this.removeSmall();
      return this.find(a, b, c, d);
    }
    index[at] = this.count + 1;
    return this.append(a, b, c, d);
  }

  private append(a: number, b: number, c: number, d: number): number {
    const { keys } = this;
    const entry = this.count++;
    const key = entry * KEY_WORDS;
    keys[key] = a;
    keys[key + 1] = b;
    keys[key + 2] = c;
    keys[key + 3] = d;
    this.received[entry] = this.sent[entry] = 0;
    this.missed[entry] = this.error;
    return entry;
  }

  /** Removes all entries but the {@link KEPT} with the largest upper bounds; also those that are as large as the largest removed one. */
  private removeSmall(): void {
    const bounds = scratch.subarray(0, this.count);
    for (let entry = 0; entry < this.count; entry++) bounds[entry] = this.boundOf(entry);
    const error = nthSmallest(bounds, this.count - 1 - KEPT);
    let left = 0;
    for (let entry = 0; entry < this.count; entry++)
      if (this.boundOf(entry) > error) this.move(entry, left++);
    this.count = left;
    this.error = error;
    this.indexAll();
  }

  private move(from: number, to: number): void {
    const { keys, received, sent, missed } = this;
    keys.copyWithin(to * KEY_WORDS, from * KEY_WORDS, (from + 1) * KEY_WORDS);
    received[to] = received[from]!;
    sent[to] = sent[from]!;
    missed[to] = missed[from]!;
  }

  private indexAll(): void {
    const { index, keys } = this;
    index.fill(0);
    for (let entry = 0; entry < this.count; entry++) {
      const key = entry * KEY_WORDS;
      let at = this.hash(keys[key]!, keys[key + 1]!, keys[key + 2]!, keys[key + 3]!);
      while (index[at] !== 0) at = (at + 1) & (index.length - 1);
      index[at] = entry + 1;
    }
  }

  private boundOf(entry: number): number {
    return this.received[entry]! + this.sent[entry]! + this.missed[entry]!;
  }

  private hash(a: number, b: number, c: number, d: number): number {
    const { multipliers: m } = this;
    const sum = Math.imul(a, m[0]!) + Math.imul(b, m[1]!) + Math.imul(c, m[2]!) + Math.imul(d, m[3]!);
    return (sum | 0) >>> (32 - INDEX_BITS);
  }
}

const scratch = new Float64Array(CAPACITY);
