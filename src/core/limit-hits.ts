/**
 * The addresses and networks that have reached a limit, and how often. Memory is constant, whatever outsiders send: for each limit the most
 * frequent subjects are kept by the algorithm "space saving" (Metwally, Agrawal, El Abbadi, 2005). A new subject takes the slot of the least
 * frequent one and continues its count, so that a frequent subject is never missed.
 */
import { isTeredo, mappedAddressOf, readUint32 } from '../wire/index.ts';

/** The limits by their names in `--limit`, then those without an option. docs/security.md */
export type LimitName =
  | 'answers'
  | 'forwarded-by-pair'
  | 'forwarded'
  | 'forwarded-icmp-by-pair'
  | 'forwarded-icmp'
  | 'native-by-client'
  | 'native'
  | 'by-source'
  | 'by-server'
  | 'by-client'
  | 'meeting'
  | 'meetings'
  | 'errors'
  | 'peers.trusted'
  | 'peers.unverified'
  | 'contacts'
  | 'waiting'
  | 'bubble-replies'
  | 'direct-bubbles'
  | 'indirect-bubbles'
  | 'unsolicited-tests'
  | 'discovery-replies'
  | 'icmp-errors'
  | 'guesses'
  | 'guesses-by-address'
  | 'random-ports'
  | 'queue'
  | 'held'
  | 'bubbles-to-peer'
  | 'proofs'
  | 'control-socket';

/** The kind of a subject that has reached a limit: an IPv4 address, a native network, a local user. */
export type SubjectKind = 'ipv4' | '/64' | 'uid';

export interface Subject {
  readonly kind: SubjectKind;
  /** The first two words of the network; or the address or user ID, and 0. */
  readonly words: readonly [number, number];
  /** How often it has reached the limit, at least. */
  readonly times: number;
}

export interface LimitReport {
  readonly limit: LimitName;
  /** How often the limit was reached in all. */
  readonly times: number;
  /** The most frequent first. */
  readonly subjects: readonly Subject[];
}

const SLOTS = 8;
const KINDS: readonly SubjectKind[] = ['ipv4', '/64', 'uid'];

export class LimitHits {
  private readonly counts = new Map<LimitName, Frequencies>();
  private pendingNow = false;

  /** By the IPv4 address of a sender or destination. */
  ipv4(limit: LimitName, address: number, times = 1): void {
    this.note(limit, 0, address, 0, times);
  }

  /** By the IPv6 address at an offset: the IPv4 address of a Teredo client, or the /64 of a native host. */
  ipv6(limit: LimitName, b: Uint8Array, o: number, times = 1): void {
    if (isTeredo(b, o)) this.note(limit, 0, mappedAddressOf(b, o), 0, times);
    else this.note(limit, 1, readUint32(b, o), readUint32(b, o + 4), times);
  }

  /** By the /64 that begins with these words. */
  network(limit: LimitName, high: number, low: number, times = 1): void {
    this.note(limit, 1, high, low, times);
  }

  /** By a local user. */
  uid(limit: LimitName, uid: number, times = 1): void {
    this.note(limit, 2, uid, 0, times);
  }

  /** By subjects that are not known. */
  others(limit: LimitName, times: number): void {
    if (times > 0) this.note(limit, -1, 0, 0, times);
  }

  /** By the subjects of another count's report. */
  add({ limit, times, subjects }: LimitReport): void {
    let known = 0;
    for (const { kind, words, times: ofOne } of subjects) {
      this.note(limit, KINDS.indexOf(kind), words[0], words[1], ofOne);
      known += ofOne;
    }
    this.others(limit, times - known);
  }

  /** Whether a limit has been reached since its last report was taken. */
  get isPending(): boolean {
    return this.pendingNow;
  }

  /** How often each limit has been reached since its last report was taken. */
  *pending(): Generator<{ readonly limit: LimitName; readonly times: number }> {
    for (const [limit, { times }] of this.counts) if (times > 0) yield { limit, times };
  }

  /** The report of a limit since the last call; its counts start again at 0. */
  take(limit: LimitName): LimitReport {
    const found = this.counts.get(limit);
    const report = { limit, times: found?.times ?? 0, subjects: found?.subjects() ?? [] };
    found?.clear();
    this.pendingNow = !this.pending().next().done;
    return report;
  }

  private note(limit: LimitName, kind: number, a: number, b: number, times: number): void {
    let counts = this.counts.get(limit);
    if (counts === undefined) this.counts.set(limit, (counts = new Frequencies()));
    counts.add(kind, a, b, times);
    this.pendingNow = true;
  }
}

class Frequencies {
  times = 0;
  private readonly kinds = new Uint8Array(SLOTS);
  private readonly high = new Uint32Array(SLOTS);
  private readonly low = new Uint32Array(SLOTS);
  private readonly counts = new Float64Array(SLOTS);
  /** The count of earlier subjects of the slot: an upper bound of the error. */
  private readonly errors = new Float64Array(SLOTS);

  /** A negative kind: the subject is not known. */
  add(kind: number, a: number, b: number, times: number): void {
    this.times += times;
    if (kind < 0) return;
    const { kinds, high, low, counts } = this;
    let least = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const isSame = kinds[slot] === kind && high[slot] === a >>> 0 && low[slot] === b >>> 0;
      if (isSame && counts[slot] > 0) {
        counts[slot] += times;
        return;
      }
      if (counts[slot] < counts[least]) least = slot;
    }
    [kinds[least], high[least], low[least]] = [kind, a, b];
    this.errors[least] = counts[least];
    counts[least] += times;
  }

  subjects(): Subject[] {
    const found: Subject[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.counts[slot] === 0) continue;
      const times = this.counts[slot] - this.errors[slot];
      found.push({ kind: KINDS[this.kinds[slot]]!, words: [this.high[slot], this.low[slot]], times });
    }
    return found.sort((one, other) => other.times - one.times);
  }

  clear(): void {
    this.times = 0;
    this.counts.fill(0);
    this.errors.fill(0);
  }
}
