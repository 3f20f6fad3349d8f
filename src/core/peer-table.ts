/**
 * The list of recent peers (RFC 4380 sections 5.2, 5.4), for clients and relays: typed arrays with open addressing, less
 * than 100 bytes a peer and 32 more where there is traffic, no object and no string a peer. A peer is a slot number; its
 * fields are the columns at that index.
 *
 * Two pools: peers that have proven themselves (trusted) and those that have not (unverified). Each has its own limit, and
 * filling one never takes from the other: whoever invents peers can push out nothing but invented peers. Who has many
 * real peers at hand, on few IPv4 addresses, pushes out its own first.
 */
import {
  BUBBLE_BUDGET,
  BUBBLE_SPACING_MS,
  BUBBLE_WINDOW_MS,
  LOCAL_PEER_MEMORY_MS,
  PEER_VALIDITY_MS,
} from './constants.ts';
import { PeersPerOrigin } from './peers-per-origin.ts';
import { HashKey } from './hash.ts';
import { TrafficCounts } from './peer-traffic.ts';
import type { PeerTraffic } from './peer-traffic.ts';
import { readUint32, writeUint32 } from '../wire/index.ts';
import type { Entropy } from './entropy.ts';

/** No such peer. */
export const NO_PEER = -1;

export const FREE = 0;
export const UNVERIFIED = 1;
export const TRUSTED = 2;

export interface PeerLimits {
  readonly trusted: number;
  readonly unverified: number;
}

export class PeerTable {
  /** Columns, by slot. Times are ms; -Infinity where it never happened. */
  status = new Uint8Array(0);
  mappedAddress = new Uint32Array(0);
  mappedPort = new Uint16Array(0);
  /** The socket by which the peer is reached, of those that its machine names. */
  socket = new Uint16Array(0);
  lastReceived = new Float64Array(0);
  lastSent = new Float64Array(0);
  lastBubble = new Float64Array(0);
  /** 64 unpredictable bits that the peer must show to become trusted: a test's nonce, or a relay's bubble source. */
  proofHigh = new Uint32Array(0);
  proofLow = new Uint32Array(0);
  /** Where a local discovery bubble of this peer came from, and when (RFC 4380 section 5.2.8). Empty where there are no neighbours. */
  localAddress = new Uint32Array(0);
  localPort = new Uint16Array(0);
  localSeen = new Float64Array(0);
  /** In which generation of offloading it was offered, and when (offload.ts); 0: in none. */
  offered = new Uint8Array(0);

  /** For which network a relay last began a contact with the peer (rounds.ts), by hash. Empty where there are neighbours. */
  requestedBy = new Uint32Array(0);

  /** Called when a pool is full, with the peer, 16 octets, that would come into it: another one has to go, or it cannot come. */
  onFull: ((pool: 'trusted' | 'unverified', peer: Uint8Array) => void) | undefined;

  private words = new Uint32Array(0);
  /** Bubbles since the last answer, up to the budget; and the gaps between the last ones, latest first. */
  private bubbles = new Uint8Array(0);
  private bubbleGaps = new Uint16Array(0);
  private previous = new Int32Array(0);
  private next = new Int32Array(0);
  /** Open addressing with linear probing: slot numbers, NO_PEER where empty. */
  private index = new Int32Array(0);

  private readonly traffic = new TrafficCounts();
  private readonly limits: PeerLimits;
  private readonly hasNeighbours: boolean;
  private readonly onEvict: (peer: number) => void;
  private readonly hash: HashKey;
  /** Of the lists FREE, UNVERIFIED and TRUSTED: oldest and newest member, and how many. */
  private readonly heads = [NO_PEER, NO_PEER, NO_PEER];
  private readonly tails = [NO_PEER, NO_PEER, NO_PEER];
  private readonly counts = [0, 0, 0];
  /** Of the trusted. */
  private readonly peersPerOrigin: PeersPerOrigin;
  /** Makes each draw of a random peer another one. */
  private draws = 0;

  /**
   * `onEvict`: called before a slot is taken from an unverified or long silent peer to make room. `hasNeighbours`: whether there may be
   * any, as a relay's are not.
   */
  constructor(limits: PeerLimits, entropy: Entropy, onEvict: (peer: number) => void, hasNeighbours = true) {
    this.limits = limits;
    this.hasNeighbours = hasNeighbours;
    this.onEvict = onEvict;
    this.hash = new HashKey(entropy);
    this.peersPerOrigin = new PeersPerOrigin(entropy);
  }

  get unverifiedCount(): number {
    return this.counts[UNVERIFIED]!;
  }

  get trustedCount(): number {
    return this.counts[TRUSTED]!;
  }

  /** The peer whose IPv6 address stands at `bytes[offset]`, or NO_PEER. */
  find(bytes: Uint8Array, offset: number): number {
    if (this.index.length === 0) return NO_PEER;
    const a = readUint32(bytes, offset);
    const b = readUint32(bytes, offset + 4);
    const c = readUint32(bytes, offset + 8);
    const d = readUint32(bytes, offset + 12);
    const { index, words } = this;
    const mask = index.length - 1;
    for (let at = this.hash.of4(a, b, c, d) & mask; ; at = (at + 1) & mask) {
      const peer = index[at]!;
      if (peer === NO_PEER) return NO_PEER;
      const w = peer * 4;
      if (words[w] === a && words[w + 1] === b && words[w + 2] === c && words[w + 3] === d) return peer;
    }
  }

  /** A new unverified peer with the IPv6 address at `bytes[offset]`, which must not be in the table yet. */
  insert(bytes: Uint8Array, offset: number): number {
    if (this.counts[UNVERIFIED]! >= this.limits.unverified) {
      this.onFull?.('unverified', bytes.subarray(offset, offset + 16));
      this.evict(this.heads[UNVERIFIED]!);
    }
    if (this.counts[FREE] === 0) this.grow();
    const peer = this.heads[FREE]!;
    const w = peer * 4;
    for (let i = 0; i < 4; i++) this.words[w + i] = readUint32(bytes, offset + 4 * i);
    this.mappedAddress[peer] = this.mappedPort[peer] = this.socket[peer] = 0;
    this.proofHigh[peer] = this.proofLow[peer] = 0;
    this.bubbles[peer] = 0;
    // CL-91, CL-115: older than any spacing or validity, so that nothing holds the first bubble back.
    this.lastReceived[peer] = this.lastSent[peer] = this.lastBubble[peer] = -Infinity;
    if (this.hasNeighbours) {
      this.localAddress[peer] = this.localPort[peer] = 0;
      this.localSeen[peer] = -Infinity;
    } else this.requestedBy[peer] = 0;
    this.offered[peer] = 0;
    this.traffic.reset(peer);
    this.move(peer, UNVERIFIED);
    this.link(peer);
    return peer;
  }

  remove(peer: number): void {
    this.unlink(peer);
    this.move(peer, FREE);
  }

  /** An unverified peer is contacted anew: others make room before it does. */
  renew(peer: number): void {
    if (this.status[peer] === UNVERIFIED) this.move(peer, UNVERIFIED);
  }

  /**
   * Moves a peer to the trusted pool. When that is full one no longer valid makes room, or else one of an origin with more
   * trusted peers than this peer's; false when there is none: the peer stays unverified.
   */
  trust(peer: number, now: number): boolean {
    if (this.status[peer] === TRUSTED) return true;
    if (this.counts[TRUSTED]! >= this.limits.trusted) {
      this.onFull?.('trusted', this.address(peer));
      if (!this.makeRoom(peer, now)) return false;
    }
    this.move(peer, TRUSTED);
    return true;
  }

  /** The peer has not answered any more: it has to prove itself anew. R-8 */
  distrust(peer: number): void {
    if (this.status[peer] !== TRUSTED) return;
    if (this.counts[UNVERIFIED]! >= this.limits.unverified) this.evict(this.heads[UNVERIFIED]!);
    this.move(peer, UNVERIFIED);
  }

  /** Trusted, and heard within the last 30 s. CL-60, R-26 */
  isValid(peer: number, now: number): boolean {
    return this.status[peer] === TRUSTED && now - this.lastReceived[peer]! < PEER_VALIDITY_MS;
  }

  /** Whether RFC 4380 section 5.2.6 allows another bubble (or round of bubbles, A-4) to this peer now. CL-93, CL-94 */
  mayBubble(peer: number, now: number): boolean {
    return now - this.lastBubble[peer]! >= BUBBLE_SPACING_MS && this.hasBubbleBudget(peer, now);
  }

  /** Whether fewer bubbles than the budget went unanswered in the last 300 s. CL-94 */
  hasBubbleBudget(peer: number, now: number): boolean {
    if (this.bubbles[peer]! < BUBBLE_BUDGET) return true;
    let first = this.lastBubble[peer]!;
    for (let i = 0; i < GAPS; i++) first -= this.bubbleGaps[peer * GAPS + i]! * GAP_UNIT_MS;
    return now - first >= BUBBLE_WINDOW_MS;
  }

  /** A bubble, or a round of bubbles, goes out. CL-95 */
  countBubble(peer: number, now: number): void {
    const { bubbleGaps } = this;
    const at = peer * GAPS;
    bubbleGaps.copyWithin(at + 1, at, at + GAPS - 1);
    bubbleGaps[at] = Math.min(0xffff, (now - this.lastBubble[peer]!) / GAP_UNIT_MS);
    this.bubbles[peer] = Math.min(BUBBLE_BUDGET, this.bubbles[peer]! + 1);
    this.lastSent[peer] = this.lastBubble[peer] = now;
  }

  /** There is a sign that the peer can be reached again: one more bubble than the budget allows. */
  grantBubble(peer: number): void {
    this.bubbles[peer] = Math.min(this.bubbles[peer]!, BUBBLE_BUDGET - 1);
  }

  /** The peer has answered directly: the budget of bubbles is whole again. CL-95 */
  resetBubbles(peer: number): void {
    this.bubbles[peer] = 0;
  }

  /** Bubbles since the last answer, up to the budget. */
  bubbleCount(peer: number): number {
    return this.bubbles[peer]!;
  }

  /** A packet of the peer goes to the host. */
  countReceived(peer: number, bytes: number): void {
    if (peer !== NO_PEER) this.traffic.countReceived(peer, bytes, 1);
  }

  /** A packet of the host goes to the peer. */
  countSent(peer: number, bytes: number): void {
    this.traffic.countSent(peer, bytes, 1);
  }

  /** Packets of the peer have been carried past the machine. */
  countCarried(peer: number, carried: PeerTraffic): void {
    this.traffic.countReceived(peer, carried.receivedBytes, carried.receivedPackets);
    this.traffic.countSent(peer, carried.sentBytes, carried.sentPackets);
  }

  trafficOf(peer: number): PeerTraffic {
    return this.traffic.of(peer);
  }

  /** IPv4 address of the server in a Teredo peer's address. */
  serverOf(peer: number): number {
    return this.words[peer * 4 + 1]!;
  }

  /** Writes the peer's IPv6 address to `target[offset, offset + 16)`. */
  writeAddress(peer: number, target: Uint8Array, offset: number): void {
    for (let i = 0; i < 4; i++) writeUint32(target, offset + 4 * i, this.words[peer * 4 + i]!);
  }

  /** The peer's IPv6 address as a new array of 16 bytes. */
  address(peer: number): Uint8Array {
    const address = new Uint8Array(16);
    this.writeAddress(peer, address, 0);
    return address;
  }

  /** Slots of all peers, the trusted first; the table must not change while it is walked. */
  *[Symbol.iterator](): Generator<number> {
    for (const list of [TRUSTED, UNVERIFIED]) {
      for (let peer = this.heads[list]!; peer !== NO_PEER; peer = this.next[peer]!) yield peer;
    }
  }

  /** As the iterator, but the table may change meanwhile: peers that come or go may be left out, and those that become trusted come first. */
  *walk(): Generator<number> {
    for (const list of [TRUSTED, UNVERIFIED])
      for (let peer = 0; peer < this.status.length; peer++) if (this.status[peer] === list) yield peer;
  }

  /**
   * Forgets peers that have been silent both ways for longer than a bubble budget is remembered, and are no neighbours. Looks at no more than
   * `most` peers of each pool, the oldest first; those still in use go to the end of the line.
   */
  sweep(now: number, most: number): void {
    for (const list of [TRUSTED, UNVERIFIED]) {
      let left = Math.min(most, this.counts[list]!);
      while (left-- > 0) {
        const peer = this.heads[list]!;
        const seen = Math.max(this.lastReceived[peer]!, this.lastSent[peer]!, this.lastBubble[peer]!);
        const isNeighbour = this.hasNeighbours && now - this.localSeen[peer]! < LOCAL_PEER_MEMORY_MS;
        if (now - seen >= BUBBLE_WINDOW_MS && !isNeighbour) this.evict(peer);
        else this.move(peer, list);
      }
    }
  }

  /** Forgets everything. */
  clear(): void {
    for (const peer of [...this]) this.evict(peer);
  }

  private evict(peer: number): void {
    this.onEvict(peer);
    this.remove(peer);
  }

  private makeRoom(newcomer: number, now: number): boolean {
    let crowded = NO_PEER;
    let most = this.peersPerOrigin.sizeOf(this.words, newcomer * 4) + 1;
    // Bounded, so that a full table costs no more than this a try.
    for (let tries = 0; tries < 32; tries++) {
      const oldest = this.heads[TRUSTED]!;
      if (oldest === NO_PEER) return false;
      if (!this.isValid(oldest, now)) {
        this.evict(oldest);
        return true;
      }
      this.move(oldest, TRUSTED);
      // Anyone, not the oldest: those of one origin tend to stand side by side.
      const anyone = this.hash.of2(this.draws++, tries) % this.status.length;
      const crowd = this.status[anyone] === TRUSTED ? this.peersPerOrigin.sizeOf(this.words, anyone * 4) : 0;
      if (crowd > most) [crowded, most] = [anyone, crowd];
    }
    if (crowded === NO_PEER) return false;
    this.evict(crowded);
    return true;
  }

  /** Takes a slot out of the list it is in and appends it to another. */
  private move(peer: number, list: number): void {
    const from = this.status[peer]!;
    const before = this.previous[peer]!;
    const after = this.next[peer]!;
    if (before === NO_PEER) this.heads[from] = after;
    else this.next[before] = after;
    if (after === NO_PEER) this.tails[from] = before;
    else this.previous[after] = before;
    this.counts[from]!--;
    if (from !== list && from === TRUSTED) this.peersPerOrigin.count(this.words, peer * 4, -1);
    if (from !== list && list === TRUSTED) this.peersPerOrigin.count(this.words, peer * 4, 1);
    this.append(peer, list);
  }

  private append(peer: number, list: number): void {
    const tail = this.tails[list]!;
    this.previous[peer] = tail;
    this.next[peer] = NO_PEER;
    if (tail === NO_PEER) this.heads[list] = peer;
    else this.next[tail] = peer;
    this.tails[list] = peer;
    this.counts[list]!++;
    this.status[peer] = list;
  }

  private link(peer: number): void {
    const mask = this.index.length - 1;
    let at = this.hashOf(peer) & mask;
    while (this.index[at] !== NO_PEER) at = (at + 1) & mask;
    this.index[at] = peer;
  }

  private unlink(peer: number): void {
    const { index } = this;
    const mask = index.length - 1;
    let hole = this.hashOf(peer) & mask;
    while (index[hole] !== peer) hole = (hole + 1) & mask;
    // Close the gap: whoever stands behind it and could not be found over it moves up.
    for (let at = (hole + 1) & mask; index[at] !== NO_PEER; at = (at + 1) & mask) {
      const home = this.hashOf(index[at]!) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        index[hole] = index[at]!;
        hole = at;
      }
    }
    index[hole] = NO_PEER;
  }

  private hashOf(peer: number): number {
    const { words } = this;
    const w = peer * 4;
    return this.hash.of4(words[w]!, words[w + 1]!, words[w + 2]!, words[w + 3]!);
  }

  private grow(): void {
    const old = this.status.length;
    const size = Math.min(old === 0 ? 256 : old * 2, this.limits.trusted + this.limits.unverified);
    this.status = widen(this.status, new Uint8Array(size));
    this.mappedAddress = widen(this.mappedAddress, new Uint32Array(size));
    this.mappedPort = widen(this.mappedPort, new Uint16Array(size));
    this.socket = widen(this.socket, new Uint16Array(size));
    this.lastReceived = widen(this.lastReceived, new Float64Array(size));
    this.lastSent = widen(this.lastSent, new Float64Array(size));
    this.lastBubble = widen(this.lastBubble, new Float64Array(size));
    this.proofHigh = widen(this.proofHigh, new Uint32Array(size));
    this.proofLow = widen(this.proofLow, new Uint32Array(size));
    if (this.hasNeighbours) {
      this.localAddress = widen(this.localAddress, new Uint32Array(size));
      this.localPort = widen(this.localPort, new Uint16Array(size));
      this.localSeen = widen(this.localSeen, new Float64Array(size));
    } else this.requestedBy = widen(this.requestedBy, new Uint32Array(size));
    this.offered = widen(this.offered, new Uint8Array(size));
    this.words = widen(this.words, new Uint32Array(size * 4));
    this.bubbles = widen(this.bubbles, new Uint8Array(size));
    this.bubbleGaps = widen(this.bubbleGaps, new Uint16Array(size * GAPS));
    this.previous = widen(this.previous, new Int32Array(size));
    this.next = widen(this.next, new Int32Array(size));
    this.index = new Int32Array(2 ** Math.ceil(Math.log2(size / MAX_LOAD))).fill(NO_PEER);
    for (let peer = 0; peer < old; peer++) if (this.status[peer] !== FREE) this.link(peer);
    for (let peer = old; peer < size; peer++) this.append(peer, FREE);
  }
}

/** How full the index gets at the most. */
const MAX_LOAD = 0.6;
/** The four latest bubbles have three gaps between them, kept in hundredths of a second: up to 655 s. */
const GAPS = BUBBLE_BUDGET - 1;
const GAP_UNIT_MS = 10;
function widen<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
