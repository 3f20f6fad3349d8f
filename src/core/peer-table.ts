/**
 * The list of recent peers (RFC 4380 sections 5.2, 5.4), for clients and relays: typed arrays with open addressing, without an object or
 * string for each peer. A peer of a relay needs less than 60 bytes, and 8 to 32 more if it has traffic. A peer is a slot number; its fields
 * are the columns at that index.
 *
 * There are two pools: peers that have proven themselves (trusted) and those that have not (unverified). Each has its own limit, and
 * a full pool takes no room from the other: a sender of invented addresses can push out only unverified peers. An attacker with many
 * real peers on few IPv4 addresses pushes out its own peers first.
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
import { BubbleGaps } from './bubble-gaps.ts';
import { PeerIndex } from './peer-index.ts';
import { TableGrowth, widening } from './table-growth.ts';
import { Times } from './times.ts';
import { NO_TRAFFIC, TrafficCounts } from './peer-traffic.ts';
import type { PeerTraffic } from './peer-traffic.ts';
import type { Growing, Widening } from './table-growth.ts';
import { readUint32, writeUint32 } from '../wire/index.ts';
import type { Entropy } from './entropy.ts';

/** No such peer. */
export const NO_PEER = -1;

export const FREE = 0;
export const UNVERIFIED = 1;
export const TRUSTED = 2;

/** How many peers are looked at or removed for a newcomer, so that a packet to a full table has a bounded cost. */
const MOST_TRIES = 32;

/** Slots in a step of a walk. */
const LOOKED_AT = 4_096;

/** How many peers a machine has. */
export interface PeerCounts {
  readonly trusted: number;
  readonly unverified: number;
}

export interface PeerLimits {
  readonly trusted: number;
  readonly unverified: number;
}

export class PeerTable implements Growing {
  /** Columns, by slot. Times are ms; -Infinity where it never happened. */
  status = new Uint8Array(0);
  mappedAddress = new Uint32Array(0);
  mappedPort = new Uint16Array(0);
  /** The socket by which the machine reaches the peer. Empty in a table without neighbours: a relay has one socket. */
  socket = new Uint16Array(0);
  readonly lastReceived = new Times();
  readonly lastSent = new Times();
  readonly lastBubble = new Times();
  /** When the machine itself last received a packet of the peer; carried ones do not count. Only with offloading. */
  readonly heardHere = new Times();
  /** 64 unpredictable bits that the peer must return to become trusted: a test's nonce. Empty in a table without neighbours. */
  proofHigh = new Uint32Array(0);
  proofLow = new Uint32Array(0);
  /** Source and time of the last local discovery bubble of this peer (RFC 4380 section 5.2.8). Empty in a table without neighbours. */
  localAddress = new Uint32Array(0);
  localPort = new Uint16Array(0);
  readonly localSeen = new Times();
  private readonly times = [
    this.lastReceived,
    this.lastSent,
    this.lastBubble,
    this.heardHere,
    this.localSeen,
  ];
  /** Generation and second in which the peer was last offered for offload (offload.ts); 0: not offered. */
  offered = new Uint8Array(0);

  /** Hash of the network for which a relay last began a contact with the peer (rounds.ts). Empty in a table with neighbours. */
  requestedBy = new Uint16Array(0);

  /** Called when a pool is full, with the address (16 octets) of the peer that is to be added: another peer is removed, or this one is not added. */
  onFull: ((pool: 'trusted' | 'unverified', peer: Uint8Array) => void) | undefined;

  /**
   * Called when a peer has shown that it can be trusted, perhaps again and at another place; and when it is trusted no more, while its address is
   * still known.
   */
  onTrust: ((peer: number, isTrusted: boolean) => void) | undefined;

  /** Bubbles since the last answer, up to the budget; and the gaps between them. */
  private bubbles = new Uint8Array(0);
  private readonly bubbleGaps = new BubbleGaps();
  private previous = new Int32Array(0);
  private next = new Int32Array(0);
  readonly index: PeerIndex;
  private readonly growth: TableGrowth;
  /** Slots from this one on have never been used, and are in no list. */
  private unused = 0;

  private readonly traffic = new TrafficCounts();
  private readonly own = { ...NO_TRAFFIC };
  /** They may change: see live-limits.ts. */
  private readonly limits: PeerLimits;
  private readonly hasNeighbours: boolean;
  private readonly onEvict: (peer: number) => void;
  private readonly hash: HashKey;
  /** Oldest member, newest member and size of the lists FREE, UNVERIFIED and TRUSTED. */
  private readonly heads = [NO_PEER, NO_PEER, NO_PEER];
  private readonly tails = [NO_PEER, NO_PEER, NO_PEER];
  private readonly counts = [0, 0, 0];
  /** Counts trusted peers only. */
  private readonly peersPerOrigin: PeersPerOrigin;
  /** Number of random draws so far: each draw gives another peer. */
  private draws = 0;

  /**
   * `onEvict`: called before an unverified or long silent peer is removed to make room. `hasNeighbours`: whether peers can be
   * on the local network; false for a relay.
   */
  constructor(limits: PeerLimits, entropy: Entropy, onEvict: (peer: number) => void, hasNeighbours = true) {
    this.limits = limits;
    this.hasNeighbours = hasNeighbours;
    this.onEvict = onEvict;
    this.hash = new HashKey(entropy);
    this.growth = new TableGrowth(this);
    this.index = new PeerIndex(this.words, this.hash);
    this.peersPerOrigin = new PeersPerOrigin(entropy);
  }

  /** Peers have slots below this one. */
  get slots(): number {
    return this.unused;
  }

  get unverifiedCount(): number {
    return this.counts[UNVERIFIED]!;
  }

  /** Frozen. */
  get peerCounts(): PeerCounts {
    return Object.freeze({ trusted: this.trustedCount, unverified: this.unverifiedCount });
  }

  get trustedCount(): number {
    return this.counts[TRUSTED]!;
  }

  /** The peer with the IPv6 address at `bytes[offset]`, or NO_PEER. */
  find(bytes: Uint8Array, offset: number): number {
    return this.index.find(
      readUint32(bytes, offset),
      readUint32(bytes, offset + 4),
      readUint32(bytes, offset + 8),
      readUint32(bytes, offset + 12),
    );
  }

  /** A new unverified peer with the IPv6 address at `bytes[offset]`, which must not be in the table yet. */
  insert(bytes: Uint8Array, offset: number): number {
    if (this.counts[UNVERIFIED]! >= this.limits.unverified)
      this.onFull?.('unverified', bytes.subarray(offset, offset + 16));
    this.evictUnverified();
    this.growth.growInTime(this.growth.slots - this.unused + this.counts[FREE]!);
    const isUnused = this.counts[FREE] === 0;
    const peer = isUnused ? this.unused++ : this.heads[FREE]!;
    const w = peer * 4;
    for (let i = 0; i < 4; i++) this.words[w + i] = readUint32(bytes, offset + 4 * i);
    this.growth.keyChanged(peer);
    this.mappedAddress[peer] = this.mappedPort[peer] = 0;
    this.bubbles[peer] = 0;
    // CL-91, CL-115: older than any spacing or validity, so that the first bubble is allowed at once.
    this.lastReceived.clear(peer);
    this.lastSent.clear(peer);
    this.lastBubble.clear(peer);
    this.heardHere.clear(peer);
    if (this.hasNeighbours) {
      this.socket[peer] = this.proofHigh[peer] = this.proofLow[peer] = 0;
      this.localAddress[peer] = this.localPort[peer] = 0;
      this.localSeen.clear(peer);
    } else this.requestedBy[peer] = 0;
    this.offered[peer] = 0;
    this.traffic.reset(peer);
    if (isUnused) this.append(peer, UNVERIFIED);
    else this.move(peer, UNVERIFIED);
    this.index.add(peer);
    return peer;
  }

  remove(peer: number): void {
    this.index.remove(peer);
    this.move(peer, FREE);
  }

  /** An unverified peer is contacted again: it becomes the newest of its pool. */
  renew(peer: number): void {
    if (this.status[peer] === UNVERIFIED) this.move(peer, UNVERIFIED);
  }

  /**
   * Moves a peer to the trusted pool. If that is full, a peer that is no longer valid is removed, or else a peer whose origin has more
   * trusted peers than this one's, or, for a peer that was sent to, one that never was: any number of peers may have come by themselves.
   * False: there is no such peer, and this one stays unverified. The same holds while there are more peers than a limit that has been lowered:
   * their number never rises, and falls as peers become silent.
   */
  trust(peer: number, now: number): boolean {
    if (this.status[peer] !== TRUSTED) {
      if (this.counts[TRUSTED]! >= this.limits.trusted) {
        this.onFull?.('trusted', this.address(peer));
        if (!this.makeRoom(peer, now)) return false;
      }
      this.move(peer, TRUSTED);
    }
    this.onTrust?.(peer, true);
    return true;
  }

  /** The peer no longer answers: it has to prove itself again. R-8 */
  distrust(peer: number): void {
    if (this.status[peer] !== TRUSTED) return;
    this.evictUnverified();
    this.move(peer, UNVERIFIED);
  }

  /** Trusted, and a packet from it came within the last 30 s. CL-60, R-26 */
  isValid(peer: number, now: number): boolean {
    return this.status[peer] === TRUSTED && now - this.lastReceived.at(peer) < PEER_VALIDITY_MS;
  }

  /** Whether RFC 4380 section 5.2.6 allows another bubble (or round of bubbles, A-4) to this peer now. CL-93, CL-94 */
  mayBubble(peer: number, now: number): boolean {
    return now - this.lastBubble.at(peer) >= BUBBLE_SPACING_MS && this.hasBubbleBudget(peer, now);
  }

  /** Whether fewer bubbles than the budget went unanswered in the last 300 s. CL-94 */
  hasBubbleBudget(peer: number, now: number): boolean {
    if (this.bubbles[peer]! < BUBBLE_BUDGET) return true;
    return now - this.lastBubble.at(peer) + this.bubbleGaps.sumOf(peer) >= BUBBLE_WINDOW_MS;
  }

  /** A bubble, or a round of bubbles, is sent. CL-95 */
  countBubble(peer: number, now: number): void {
    if (this.bubbles[peer]! > 0) this.bubbleGaps.add(peer, now - this.lastBubble.at(peer));
    this.bubbles[peer] = Math.min(BUBBLE_BUDGET, this.bubbles[peer]! + 1);
    this.lastSent.set(peer, now);
    this.lastBubble.set(peer, now);
  }

  /** There is a sign that the peer can be reached again: allows one bubble beyond the budget. */
  grantBubble(peer: number): void {
    this.bubbles[peer] = Math.min(this.bubbles[peer]!, BUBBLE_BUDGET - 1);
  }

  /** The peer has answered directly: the budget of bubbles is full again. CL-95 */
  resetBubbles(peer: number): void {
    this.bubbles[peer] = 0;
  }

  /** Bubbles since the last answer, up to the budget. */
  bubbleCount(peer: number): number {
    return this.bubbles[peer]!;
  }

  /** A packet from the peer is delivered to the host. */
  countReceived(peer: number, bytes: number): void {
    this.own.receivedPackets++;
    this.own.receivedBytes += bytes;
    if (peer !== NO_PEER) this.traffic.countReceived(peer, bytes, 1);
  }

  /** A packet from the host is sent to the peer. */
  countSent(peer: number, bytes: number): void {
    this.own.sentPackets++;
    this.own.sentBytes += bytes;
    this.traffic.countSent(peer, bytes, 1);
  }

  /** Packets of all peers so far, those of the kernel path not among them. */
  get ownTraffic(): PeerTraffic {
    return { ...this.own };
  }

  /** The kernel path has carried packets of the peer. */
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

  /** Slots of all peers, the trusted first. The table must not change during the iteration. */
  *[Symbol.iterator](): Generator<number> {
    for (const list of [TRUSTED, UNVERIFIED]) {
      for (let peer = this.heads[list]!; peer !== NO_PEER; peer = this.next[peer]!) yield peer;
    }
  }

  /**
   * As the iterator, but the table may change during the walk: peers added or removed meanwhile may be left out, and those that become trusted; those
   * that are trusted no more may come twice. NO_PEER after so many slots: no step looks at more, however few peers a large table has.
   */
  *walkInSteps(): Generator<number> {
    for (const list of [TRUSTED, UNVERIFIED])
      for (let start = 0; start < this.unused; start += LOOKED_AT) {
        const end = Math.min(start + LOOKED_AT, this.unused);
        // The loop alone takes 50 times as long for free slots until it is compiled.
        if (this.status.subarray(start, end).includes(list))
          for (let peer = start; peer < end; peer++) if (this.status[peer] === list) yield peer;
        yield NO_PEER;
      }
  }

  /**
   * Removes peers without traffic in either direction for longer than the bubble window, except neighbours. Examines at most `most`
   * peers of each pool, the oldest first; those still in use become the newest.
   */
  sweep(now: number, most: number): void {
    for (const list of [TRUSTED, UNVERIFIED]) {
      let left = Math.min(most, this.counts[list]!);
      while (left-- > 0) {
        const peer = this.heads[list]!;
        const seen = Math.max(this.lastReceived.at(peer), this.lastSent.at(peer), this.lastBubble.at(peer));
        const isNeighbour = this.hasNeighbours && now - this.localSeen.at(peer) < LOCAL_PEER_MEMORY_MS;
        if (now - seen >= BUBBLE_WINDOW_MS && !isNeighbour) this.evict(peer);
        else this.keep(peer, list, now);
      }
    }
  }

  /** The peer, just looked at, becomes the newest of its pool. */
  private keep(peer: number, list: number, now: number): void {
    this.move(peer, list);
    for (const times of this.times) times.limitAge(peer, now);
  }

  /** Removes all peers. */
  clear(): void {
    for (const peer of [...this]) this.evict(peer);
  }

  private evict(peer: number): void {
    this.onEvict(peer);
    this.remove(peer);
  }

  /** Removes one peer, or as many as there are more than a limit that has been lowered. False: none that may be removed was found. */
  private makeRoom(newcomer: number, now: number): boolean {
    let crowded = NO_PEER;
    let unasked = NO_PEER;
    let silent = 0;
    const isAsked = this.lastSent.at(newcomer) !== -Infinity;
    let most = this.peersPerOrigin.sizeOf(this.words, newcomer * 4) + 1;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const oldest = this.heads[TRUSTED]!;
      if (oldest === NO_PEER) return false;
      if (!this.isValid(oldest, now)) {
        this.evict(oldest);
        silent++;
        if (this.counts[TRUSTED]! < this.limits.trusted) return true;
        continue;
      }
      this.move(oldest, TRUSTED);
      // A random peer, not the oldest: peers of one origin are often next to each other in the list.
      const drawn = this.hash.of2(this.draws++, tries) % this.unused;
      const size = this.status[drawn] === TRUSTED ? this.peersPerOrigin.sizeOf(this.words, drawn * 4) : 0;
      if (size > most) [crowded, most] = [drawn, size];
      if (size > 0 && isAsked && this.lastSent.at(drawn) === -Infinity) unasked = drawn;
    }
    // The surplus falls although the newcomer is added.
    if (silent > 1) return true;
    const found = crowded === NO_PEER ? unasked : crowded;
    if (found === NO_PEER || this.status[found] !== TRUSTED) return false;
    this.evict(found);
    return true;
  }

  /** Moves a slot from its list to the end of another (or of the same). */
  private move(peer: number, list: number): void {
    const from = this.status[peer]!;
    const before = this.previous[peer]!;
    const after = this.next[peer]!;
    if (before === NO_PEER) this.heads[from] = after;
    else this.next[before] = after;
    if (after === NO_PEER) this.tails[from] = before;
    else this.previous[after] = before;
    this.counts[from]!--;
    if (from !== list && from === TRUSTED) {
      this.onTrust?.(peer, false);
      this.peersPerOrigin.count(this.words, peer * 4, -1);
    }
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

  /** Makes room for one more, and removes some of a surplus over a limit that has been lowered. */
  private evictUnverified(): void {
    for (let tries = 0; tries < MOST_TRIES && this.counts[UNVERIFIED]! >= this.limits.unverified; tries++)
      this.evict(this.heads[UNVERIFIED]!);
  }

  /** There may be more trusted peers than the limit, if it has been lowered. */
  get most(): number {
    return Math.max(this.limits.trusted, this.counts[TRUSTED]!) + this.limits.unverified;
  }

  /** The addresses, four words for each slot. */
  private get words(): Uint32Array {
    return this.growth.words;
  }

  /** For the growth of the table. */
  columns(size: number): (() => Widening)[] {
    const ofClient = [
      () => widening(this.socket, new Uint16Array(size), (next) => (this.socket = next)),
      () => widening(this.proofHigh, new Uint32Array(size), (next) => (this.proofHigh = next)),
      () => widening(this.proofLow, new Uint32Array(size), (next) => (this.proofLow = next)),
      () => widening(this.localAddress, new Uint32Array(size), (next) => (this.localAddress = next)),
      () => widening(this.localPort, new Uint16Array(size), (next) => (this.localPort = next)),
    ];
    const ofRelay = [
      () => widening(this.requestedBy, new Uint16Array(size), (next) => (this.requestedBy = next)),
    ];
    return [
      () => widening(this.status, new Uint8Array(size), (next) => (this.status = next)),
      () => widening(this.mappedAddress, new Uint32Array(size), (next) => (this.mappedAddress = next)),
      () => widening(this.mappedPort, new Uint16Array(size), (next) => (this.mappedPort = next)),
      ...(this.hasNeighbours ? ofClient : ofRelay),
      () => widening(this.offered, new Uint8Array(size), (next) => (this.offered = next)),
      () => widening(this.bubbles, new Uint8Array(size), (next) => (this.bubbles = next)),
      () => widening(this.previous, new Int32Array(size), (next) => (this.previous = next)),
      () => widening(this.next, new Int32Array(size), (next) => (this.next = next)),
    ];
  }
}
