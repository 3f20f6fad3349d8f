import { E, Memory, sys } from '../libc.ts';
import { Amender } from './amend.ts';
import { EntryBatches } from './entry-batches.ts';
import {
  AMEND,
  AMENDMENT,
  HISTORY_FAILURES_SHIFT,
  HISTORY_UNWRAPS,
  LONG_AGO_UNITS,
  OFFER_RESULT,
  PEER,
  ROUTE_WAY_SHIFT,
  UNIT_SHIFT,
  WAY,
  uint64At,
} from './layout.ts';
import type { Way } from './layout.ts';
import { libbpf } from './libbpf.ts';
import { OfferFrame } from './offer-frame.ts';
import type { OfferResult } from './offer-frame.ts';
import { instantOf, keptUnitsOf, longAgeOf, longUnitsOf, shortAge, unitsOf } from './peer-times.ts';

const ANY = 0;
const NO_EXIST = 1;
const EXIST = 2;
const KEY = 16;
const F_DUPFD_CLOEXEC = 1_030;
const ROUTE_UPLINK = (1 << ROUTE_WAY_SHIFT) - 1;
/** The largest number of failures that a peer's entry can hold. */
export const MOST_FAILURES = 15;
/** SPACING_UNITS of the programs. */
const NOTICE_SPACING_UNITS = Math.floor(1e9 / 2 ** UNIT_SHIFT);
/** Entries read by one call; no bucket of the table holds as many. */
const BATCH = 4_096;
/** Entries read or removed at one step: to move or to report as many takes 1 or 2 ms. No bucket holds as many. */
const STEP = 256;

/** How a peer is reached. */
export interface PeerRoute {
  /** Its mapped address and port. */
  readonly address: number;
  readonly port: number;
  /** The port of the socket that it hears. */
  readonly localPort: number;
  /** The number of the uplink that leads there. */
  readonly uplink: number;
}

/** Packets of a peer that the kernel has carried since its last report. Times are ns of CLOCK_MONOTONIC; that of no packet means nothing. */
export interface Carried {
  lastReceived: number;
  lastSent: number;
  receivedBytes: number;
  sentBytes: number;
  receivedPackets: number;
  sentPackets: number;
}

export interface PeerState extends PeerRoute {
  readonly way: Way;
  /** Whether the peer's kernel is known to unwrap. */
  readonly unwraps: boolean;
  /** Number of failed proofs in a row. */
  readonly failures: number;
  /** When anything was received from the peer; ns of CLOCK_MONOTONIC. */
  readonly lastReceived: number;
  /** Time since the socket last received something from the peer, ns; may be negative, as the kernel can be ahead of `now`. */
  readonly socketHeardAgo: number;
}

export interface PlacedOffer extends PeerRoute {
  readonly peer: Uint8Array;
  /** When the socket last received something from the peer; ns of CLOCK_MONOTONIC. */
  readonly heardAt: number;
}

type SeePlace = (peer: Uint8Array, address: number, port: number, localPort: number, way: Way) => void;

/** The kernel's table of peers whose packets it carries. */
export class PeerMap {
  /** The number of entries. */
  size = 0;
  private readonly lib = libbpf();
  private readonly fd: number;
  private readonly key = new Memory(KEY);
  private readonly value = new Memory(PEER.SIZE);
  private readonly amender: Amender | undefined;
  private readonly frame: OfferFrame | undefined;

  /** The programs `amend` and `offer`. Without the first, entries are rewritten, and lose counts made at that moment. */
  constructor(fd: number, amend?: number, offer?: number) {
    this.fd = fd;
    this.amender = amend === undefined ? undefined : new Amender(amend);
    this.frame = offer === undefined ? undefined : new OfferFrame(offer);
  }

  /**
   * As {@link put} for many peers, by one call for some tens; `offers` in their order. Calls back with the result of each: those that are
   * elsewhere or refused have to be put one by one. The callback may change the table.
   */
  putMany(offers: readonly PlacedOffer[], see: (offer: PlacedOffer, result: OfferResult) => void): void {
    const frame = this.frame!;
    let begun = 0;
    for (const offer of offers) {
      if (frame.isFull) begun = this.putFrame(offers, begun, see);
      frame.add(offer.peer, offer, offer.heardAt, longUnitsOf(offer.heardAt));
    }
    this.putFrame(offers, begun, see);
  }

  /** Returns where the next frame begins. */
  private putFrame(
    offers: readonly PlacedOffer[],
    begun: number,
    see: (offer: PlacedOffer, result: OfferResult) => void,
  ): number {
    let next = begun;
    this.frame!.run((at, result) => {
      if (result === OFFER_RESULT.added) this.size++;
      next = begun + at + 1;
      see(offers[begun + at]!, result);
    });
    return next;
  }

  /**
   * Adds a peer, carried inward only, or moves it to its present address; 0, or the error number. `heardAt`: when the socket last received
   * something from it. Times are ns of CLOCK_MONOTONIC. For a moved peer, `carried` holds the packets since its last report.
   */
  put(
    peer: Uint8Array,
    offset: number,
    route: PeerRoute,
    heardAt: number,
    now: number,
    carried = emptyCarried(),
  ): number {
    const { view } = this.value;
    this.setKey(peer, offset);
    this.value.bytes.fill(0);
    this.setRoute(route);
    const heard = keptUnitsOf(heardAt, now);
    view.setUint32(PEER.lastReceived, heard, true);
    view.setUint32(PEER.lastSent, heard, true);
    // The first report and the first notice are due at once.
    const before = noticeLongAgo(now);
    view.setUint32(PEER.lastNotice, before, true);
    view.setUint32(PEER.lastReport, before, true);
    view.setUint16(PEER.socketHeard, longUnitsOf(heardAt), true);
    view.setUint16(PEER.lastSampleIn, longUnitsOf(now) - 100, true);
    view.setUint16(PEER.lastSampleOut, longUnitsOf(now), true);
    const added = this.lib.update(this.fd, this.key.address, this.value.address, NO_EXIST);
    if (added === 0) this.size++;
    if (added !== -E.EEXIST) return 0 - added;
    return this.move(route, heardAt, now, carried);
  }

  /** How far a peer is carried; undefined if it is not in the table. `now`: ns of CLOCK_MONOTONIC. */
  state(peer: Uint8Array, now: number): PeerState | undefined {
    if (!this.read(peer)) return undefined;
    const { view } = this.value;
    const lastReceived = instantOf(view.getUint32(PEER.lastReceived, true), now);
    return {
      way: (view.getUint8(PEER.route) >> ROUTE_WAY_SHIFT) as Way,
      address: view.getUint32(PEER.address),
      port: view.getUint16(PEER.port),
      localPort: view.getUint16(PEER.localPort),
      uplink: view.getUint8(PEER.route) & ROUTE_UPLINK,
      unwraps: (view.getUint8(PEER.history) & HISTORY_UNWRAPS) !== 0,
      failures: view.getUint8(PEER.history) >> HISTORY_FAILURES_SHIFT,
      lastReceived,
      socketHeardAgo: longAgeOf(now, view.getUint16(PEER.socketHeard, true), now - lastReceived),
    };
  }

  /** Reads a peer's packets since its last report, without removing them; false if it is not in the table. */
  readCarried(peer: Uint8Array, carried: Carried): boolean {
    if (!this.read(peer)) return false;
    readCarried(this.value.view, 0, monotonicNs(), carried);
    return true;
  }

  /**
   * Sets how far a peer is carried, and the number of failed proofs in a row. The programs send no notice of it before the given time (ns). False
   * if the peer is not in the table, or the kernel refuses the change.
   */
  setWay(peer: Uint8Array, way: Way, failures: number, noticeAfter: number): boolean {
    if (!this.read(peer)) return false;
    const noticedAt = (unitsOf(noticeAfter) - NOTICE_SPACING_UNITS) >>> 0;
    if (this.amender !== undefined) {
      return this.amender.amend(peer, (view) => {
        view.setUint8(AMENDMENT.changes, AMEND.way);
        view.setUint8(AMENDMENT.way, way);
        view.setUint8(AMENDMENT.failures, Math.min(failures, MOST_FAILURES));
        view.setUint32(AMENDMENT.lastNotice, noticedAt, true);
      });
    }
    const { view } = this.value;
    const uplink = view.getUint8(PEER.route) & ROUTE_UPLINK;
    const unwraps = view.getUint8(PEER.history) & HISTORY_UNWRAPS;
    view.setUint8(PEER.route, uplink | (way << ROUTE_WAY_SHIFT));
    view.setUint8(PEER.history, unwraps | (Math.min(failures, MOST_FAILURES) << HISTORY_FAILURES_SHIFT));
    view.setUint32(PEER.lastNotice, noticedAt, true);
    return this.lib.update(this.fd, this.key.address, this.value.address, EXIST) === 0;
  }

  /** Removes a peer; false if it was not in the table. `carried` holds the packets since its last report. */
  take(peer: Uint8Array, offset: number, carried: Carried): boolean {
    this.setKey(peer, offset);
    return this.takeKeyed(carried);
  }

  /** Removes all peers, some hundred at each step, with one callback each; those that are added meanwhile may stay. Throws a SystemCallError. */
  clear(onTaken: (peer: Uint8Array, carried: Carried) => void): Generator<void> {
    const carried = emptyCarried();
    return new EntryBatches(KEY, PEER.SIZE, STEP).steps(this.lib.takeBatch, this.fd, (peer, view, at) => {
      this.size--;
      readCarried(view, at, monotonicNs(), carried);
      onTaken(peer, carried);
    });
  }

  /**
   * Calls back with each peer, its address, the local port by which it is reached, and its way. The callback must not change the table; the bytes are valid until it returns. Throws a
   * SystemCallError.
   */
  forEach(see: SeePlace): void {
    new EntryBatches(KEY, PEER.SIZE, BATCH).walk(this.lib.lookupBatch, this.fd, (...entry) =>
      seePlace(see, ...entry),
    );
  }

  /** As {@link forEach}, some at each step. The table may change between steps. */
  places(see: SeePlace): Generator<void> {
    return new EntryBatches(KEY, PEER.SIZE, STEP).steps(this.lib.lookupBatch, this.fd, (...entry) =>
      seePlace(see, ...entry),
    );
  }

  /** A descriptor of the table that stays when the programs are unloaded. Undefined: the system has none now. */
  keep(): number | undefined {
    const fd = sys.fcntl(this.fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? undefined : fd;
  }

  /** Calls back with each peer and the octets since its last report, some hundred at each step. Throws a SystemCallError. */
  unreportedOctets(see: (peer: Uint8Array, octets: number) => void): Generator<void> {
    return new EntryBatches(KEY, PEER.SIZE, STEP).steps(this.lib.lookupBatch, this.fd, (peer, view, at) =>
      see(peer, uint64At(view, at + PEER.receivedBytes) + uint64At(view, at + PEER.sentBytes)),
    );
  }

  private read(peer: Uint8Array): boolean {
    this.setKey(peer, 0);
    return this.lib.lookup(this.fd, this.key.address, this.value.address) >= 0;
  }

  private move(route: PeerRoute, heardAt: number, now: number, carried: Carried): number {
    const { view } = this.value;
    if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) return E.EAGAIN;
    const heard = keptUnitsOf(heardAt, now);
    const isNews =
      heardAt > 0 && instantOf(heard, now) > instantOf(view.getUint32(PEER.lastReceived, true), now);
    const units = longUnitsOf(heardAt);
    // Where it is news, the time in the entry is the older one, even if it has come round.
    const isSeen = heardAt > 0 && (isNews || shortAge(units, view.getUint16(PEER.socketHeard, true)) > 0);
    const isElsewhere = this.isElsewhere(route);
    if (!isElsewhere && !isNews && !isSeen) return 0;
    if (!isElsewhere && this.amender !== undefined) return this.hear(isNews ? heardAt : 0, isSeen, units);
    if (isElsewhere) {
      // Until the peer is in again, the user path has its packets. No count is lost.
      if (!this.takeKeyed(carried)) return E.EAGAIN;
      this.value.bytes.fill(0, PEER.receivedBytes, PEER.address);
      // The proof was for the old address.
      view.setUint8(PEER.history, 0);
      view.setUint32(PEER.lastNotice, noticeLongAgo(now), true);
      this.setRoute(route);
    }
    if (isNews) view.setUint32(PEER.lastReceived, heard, true);
    if (isSeen) view.setUint16(PEER.socketHeard, units, true);
    const error = this.lib.update(this.fd, this.key.address, this.value.address, ANY);
    if (isElsewhere && error === 0) this.size++;
    return 0 - error;
  }

  /** Notes that the socket has received something from the peer whose key is set; 0, or the error number. */
  private hear(lastReceived: number, isSeen: boolean, units: number): number {
    const isDone = this.amender!.amend(this.key.bytes, (view) => {
      view.setBigUint64(AMENDMENT.lastReceived, BigInt(Math.floor(lastReceived)), true);
      view.setUint16(AMENDMENT.socketHeard, units, true);
      view.setUint8(AMENDMENT.changes, isSeen ? AMEND.seen : 0);
    });
    return isDone ? 0 : E.EAGAIN;
  }

  private takeKeyed(carried: Carried): boolean {
    const taken = this.lib.lookupAndDelete(this.fd, this.key.address, this.value.address);
    if (taken === -E.ENOENT) return false;
    if (taken < 0) {
      // No memory for both at once. Without memory to read the entry, its counts are lost: the peer must not be carried any more.
      if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) this.value.bytes.fill(0);
      if (this.lib.delete(this.fd, this.key.address) < 0) return false;
    }
    this.size--;
    readCarried(this.value.view, 0, monotonicNs(), carried);
    return true;
  }

  private setKey(peer: Uint8Array, offset: number): void {
    for (let i = 0; i < KEY; i++) this.key.bytes[i] = peer[offset + i]!;
  }

  /** Whether the entry has another route than this. */
  private isElsewhere({ address, port, localPort, uplink }: PeerRoute): boolean {
    const { view } = this.value;
    return (
      view.getUint32(PEER.address) !== address ||
      view.getUint16(PEER.port) !== port ||
      view.getUint16(PEER.localPort) !== localPort ||
      (view.getUint8(PEER.route) & ROUTE_UPLINK) !== uplink
    );
  }

  private setRoute({ address, port, localPort, uplink }: PeerRoute): void {
    const { view } = this.value;
    view.setUint32(PEER.address, address);
    view.setUint16(PEER.port, port);
    view.setUint16(PEER.localPort, localPort);
    view.setUint8(PEER.route, uplink | (WAY.inward << ROUTE_WAY_SHIFT));
  }
}

function seePlace(see: SeePlace, peer: Uint8Array, view: DataView, at: number): void {
  const port = (field: number): number => view.getUint16(at + field);
  const way = (view.getUint8(at + PEER.route) >> ROUTE_WAY_SHIFT) as Way;
  see(peer, view.getUint32(at + PEER.address), port(PEER.port), port(PEER.localPort), way);
}

/** When the latest notice about a new entry was, so that the next is due at once. */
function noticeLongAgo(now: number): number {
  return (unitsOf(now) - LONG_AGO_UNITS) >>> 0;
}

/** CLOCK_MONOTONIC, ns. */
function monotonicNs(): number {
  const [seconds, ns] = process.hrtime();
  return seconds * 1e9 + ns;
}

function readCarried(view: DataView, at: number, now: number, carried: Carried): void {
  carried.lastReceived = instantOf(view.getUint32(at + PEER.lastReceived, true), now);
  carried.lastSent = instantOf(view.getUint32(at + PEER.lastSent, true), now);
  carried.receivedBytes = uint64At(view, at + PEER.receivedBytes);
  carried.sentBytes = uint64At(view, at + PEER.sentBytes);
  carried.receivedPackets = view.getUint32(at + PEER.receivedPackets, true);
  carried.sentPackets = view.getUint32(at + PEER.sentPackets, true);
}

export function emptyCarried(): Carried {
  return {
    lastReceived: 0,
    lastSent: 0,
    receivedBytes: 0,
    sentBytes: 0,
    receivedPackets: 0,
    sentPackets: 0,
  };
}
