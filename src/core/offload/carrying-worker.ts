import { CommandRing } from '../commands.ts';
import { DOUBT_MS, PEER_VALIDITY_MS, TUNNEL_MTU } from '../constants.ts';
import { takeOuterEcn } from '../ecn.ts';
import type { Entropy } from '../entropy.ts';
import { LimitHits } from '../limit-hits.ts';
import { makeCounters } from '../machine.ts';
import type { Machine, SocketId } from '../machine.ts';
import { NO_PEER, PeerTable } from '../peer-table.ts';
import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  checkIpv6,
  equalBytes,
  icmpv6Type,
  isSourceRouted,
  nextHeader,
  payloadLength,
} from '../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';
import type { Carried } from './carried.ts';

/** A peer with traffic is reported after this time at the latest. */
const REPORT_MS = 500;
/** One that is sent to and silent is reported sooner: the first thread may want to ask it. So often at the most. */
const DOUBTFUL_REPORT_MS = 250;
/** Between two such reports, of peers together, and peers in one: 800 in a second. Others are reported with the rest. */
const DOUBTFUL_GAP_MS = 20;
const MOST_DOUBTFUL = 16;
/** Peers in one report: the first thread reads it at once. */
const MOST_REPORTED = 1_024;
/** ICMPv6 payload of an echo reply that may answer a connectivity test. */
const ECHO_LENGTH = 16;

/** The names are the client's: the sums of all workers are the client's counters. */
export const CARRYING_COUNTERS = [
  'receivedDatagrams',
  'deliveredPackets',
  'droppedEcn',
  'acceptedPackets',
  'sentPackets',
] as const;

/** Where a worker tells the first thread something. Bytes are valid until the call returns. */
export interface CarryingOutlet {
  /** The worker has this peer from now on. */
  took(peer: Ipv6): void;
  /** The peer was silent for too long: the first thread has to find it again. */
  gaveUp(peer: Ipv6): void;
  carried(report: Carried): void;
  /** A datagram, and a packet of the host, that the first thread has to judge. */
  leftDatagram(b: Uint8Array, start: number, end: number, address: number, port: number, tos: number): void;
  leftPacket(b: Uint8Array, start: number, end: number): void;
}

/** The traffic of a peer since it was last reported. */
interface Unreported {
  isDirty: boolean;
  reportedAt: number;
  /** -Infinity: nothing was. */
  receivedAt: number;
  sentAt: number;
  receivedPackets: number;
  receivedBytes: number;
  sentPackets: number;
  sentBytes: number;
}

/**
 * A worker of a client beside the first: carries the packets of peers that the first thread trusts and has given to it, by the rules of
 * packets/reception.ts (case 1) and packets/transmission.ts (case 1). It decides nothing else: all that is not plainly such a packet is left to the
 * first thread. adr/0029
 */
export class CarryingWorker implements Machine {
  readonly commands = new CommandRing();
  readonly counters = makeCounters(CARRYING_COUNTERS);
  readonly limitHits = new LimitHits();
  readonly traffic = { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 };
  private readonly most: number;
  private readonly outlet: CarryingOutlet;
  private readonly peers: PeerTable;
  /** By peer. */
  private readonly unreported: Unreported[] = [];
  private dirty: number[] = [];
  private reportAt = Infinity;
  /** Those to report sooner, in the order in which they came. */
  private readonly doubtful = new Set<number>();
  private doubtfulReportAt = Infinity;
  private doubtfulReportedAt = -Infinity;
  private own: Ipv6 | undefined = undefined;

  /** `most`: peers that it can have. */
  constructor(most: number, entropy: Entropy, outlet: CarryingOutlet) {
    this.most = most;
    this.outlet = outlet;
    this.peers = new PeerTable({ trusted: most, unverified: 1 }, entropy, () => {});
  }

  /** The client's address; undefined: nothing is carried. CL-4 */
  setOwn(address: Ipv6 | undefined): void {
    this.own = address;
  }

  /** The first thread has heard the peer at `heardAt`, and gives it to this worker, or has given it before. One without room stays there. */
  give(peer: Ipv6, { address, port }: Endpoint, heardAt: number, now: number): void {
    const { peers } = this;
    let at = peers.find(peer, 0);
    const isNew = at === NO_PEER;
    if (isNew) {
      if (peers.trustedCount >= this.most) return;
      at = peers.insert(peer, 0);
      peers.trust(at, now);
      this.unreported[at] = nothingReported();
    }
    peers.mappedAddress[at] = address;
    peers.mappedPort[at] = port;
    peers.lastReceived.set(at, Math.max(peers.lastReceived.at(at), heardAt));
    if (isNew) this.outlet.took(peer);
  }

  takeBack(peer: Ipv6): void {
    const at = this.peers.find(peer, 0);
    if (at !== NO_PEER) this.remove(at);
  }

  /** As for a trusted peer at its place: CL-45. */
  // eslint-disable-next-line eslint/max-params -- the contract of machines: plain numbers, so that a datagram costs no object
  handleDatagram(
    _socket: SocketId,
    b: Uint8Array,
    start: number,
    end: number,
    address: number,
    port: number,
    now: number,
    tos = 0,
  ): void {
    const { peers, counters } = this;
    const peer = isWhole(b, start, end) ? peers.find(b, start + SOURCE) : NO_PEER;
    const isAtPlace =
      peer !== NO_PEER && peers.mappedAddress[peer] === address && peers.mappedPort[peer] === port;
    if (!isAtPlace || !this.isOwn(b, start + DESTINATION) || isToBeJudged(b, start)) {
      this.outlet.leftDatagram(b, start, end, address, port, tos);
      return;
    }
    counters.receivedDatagrams++;
    peers.lastReceived.set(peer, now);
    const unreported = this.touch(peer, now);
    unreported.receivedAt = now;
    if (!takeOuterEcn(b, start, tos)) {
      counters.droppedEcn++; // N-8
      return;
    }
    const octets = end - start;
    counters.deliveredPackets++;
    unreported.receivedPackets++;
    unreported.receivedBytes += octets;
    this.traffic.receivedPackets++;
    this.traffic.receivedBytes += octets;
    this.commands.deliver(b, start, end);
  }

  /** CL-60, CL-61, CL-70, CL-71, C-31 */
  handlePacket(b: Uint8Array, start: number, end: number, now: number): void {
    const { peers } = this;
    const octets = end - start;
    const peer =
      isWhole(b, start, end) && octets <= TUNNEL_MTU ? peers.find(b, start + DESTINATION) : NO_PEER;
    if (peer === NO_PEER || !this.isOwn(b, start + SOURCE) || isSourceRouted(b, start)) {
      this.outlet.leftPacket(b, start, end);
      return;
    }
    const silence = now - peers.lastReceived.at(peer);
    if (silence >= PEER_VALIDITY_MS) {
      this.outlet.gaveUp(peers.address(peer));
      this.remove(peer);
      this.outlet.leftPacket(b, start, end);
      return;
    }
    const unreported = this.touch(peer, now);
    unreported.sentAt = now;
    if (silence >= DOUBT_MS && now - unreported.reportedAt >= DOUBTFUL_REPORT_MS) this.doubt(peer, now);
    unreported.sentPackets++;
    unreported.sentBytes += octets;
    this.traffic.sentPackets++;
    this.traffic.sentBytes += octets;
    this.counters.acceptedPackets++;
    this.counters.sentPackets++;
    this.commands.transmit(0, b, start, end, peers.mappedAddress[peer]!, peers.mappedPort[peer]!);
  }

  handleTimeout(now: number): void {
    if (now >= this.reportAt) this.report(now);
    else if (now >= this.doubtfulReportAt) this.reportDoubtful(now);
  }

  pollTimeout(): number {
    return Math.min(this.reportAt, this.doubtfulReportAt);
  }

  private isOwn(b: Uint8Array, o: number): boolean {
    return this.own !== undefined && equalBytes(b, o, this.own, 0, 16);
  }

  private touch(peer: number, now: number): Unreported {
    const unreported = this.unreported[peer]!;
    if (!unreported.isDirty) {
      unreported.isDirty = true;
      this.dirty.push(peer);
      this.reportAt = Math.min(this.reportAt, now + REPORT_MS);
    }
    return unreported;
  }

  private doubt(peer: number, now: number): void {
    this.doubtful.add(peer);
    if (this.doubtfulReportAt === Infinity)
      this.doubtfulReportAt = Math.max(now, this.doubtfulReportedAt + DOUBTFUL_GAP_MS);
  }

  /** Its traffic was reported, or is reported now. */
  private remove(peer: number): void {
    if (this.unreported[peer]!.isDirty) this.outlet.carried(this.reportOf([peer]));
    this.doubtful.delete(peer);
    this.peers.remove(peer);
  }

  private report(now: number): void {
    this.reportThose(this.dirty.splice(0, MOST_REPORTED), now);
    this.reportAt = this.dirty.length > 0 ? now : Infinity;
  }

  private reportDoubtful(now: number): void {
    this.doubtfulReportedAt = now;
    const some: number[] = [];
    for (const peer of this.doubtful) if (some.push(peer) === MOST_DOUBTFUL) break;
    this.reportThose(some, now);
    this.doubtfulReportAt = this.doubtful.size > 0 ? now + DOUBTFUL_GAP_MS : Infinity;
  }

  private reportThose(peers: readonly number[], now: number): void {
    const dirty: number[] = [];
    for (const peer of peers) {
      const row = this.unreported[peer]!;
      // It was reported as doubtful, or when its peer was removed; or it is twice in the list, because the slot has another peer since.
      if (row.isDirty) dirty.push(peer);
      row.isDirty = false;
      this.doubtful.delete(peer);
    }
    if (dirty.length > 0) this.outlet.carried(this.reportOf(dirty, now));
  }

  private reportOf(dirty: readonly number[], now = -Infinity): Carried {
    const { peers } = this;
    const rows = dirty.map((peer) => this.unreported[peer]!);
    const column = (of: (row: Unreported) => number): Float64Array => Float64Array.from(rows, of);
    const buffer = new Uint8Array(16 * dirty.length);
    for (const [i, peer] of dirty.entries()) peers.writeAddress(peer, buffer, 16 * i);
    const report = {
      count: dirty.length,
      buffer,
      receivedAt: column((row) => row.receivedAt),
      sentAt: column((row) => row.sentAt),
      receivedPackets: column((row) => row.receivedPackets),
      receivedBytes: column((row) => row.receivedBytes),
      sentPackets: column((row) => row.sentPackets),
      sentBytes: column((row) => row.sentBytes),
    };
    for (const row of rows) Object.assign(row, nothingReported(now));
    return report;
  }
}

function nothingReported(reportedAt = -Infinity): Unreported {
  return {
    isDirty: false,
    reportedAt,
    receivedAt: -Infinity,
    sentAt: -Infinity,
    receivedPackets: 0,
    receivedBytes: 0,
    sentPackets: 0,
    sentBytes: 0,
  };
}

/** C-17. A longer datagram has trailers, or its packet has to be cut. */
function isWhole(b: Uint8Array, start: number, end: number): boolean {
  return checkIpv6(b, start, end) === undefined && end - start === IPV6_HEADER + payloadLength(b, start);
}

/** Whether a packet from a peer's place is more than data for the host: a bubble (CL-52), an advertisement (CL-20), the answer to a test (CL-46). */
function isToBeJudged(b: Uint8Array, start: number): boolean {
  const next = nextHeader(b, start);
  if (next === NEXT_HEADER.NONE || isSourceRouted(b, start)) return true;
  if (next !== NEXT_HEADER.ICMPV6 || payloadLength(b, start) === 0) return false;
  const type = icmpv6Type(b, start);
  return type === ICMPV6.RA || (type === ICMPV6.ECHO_REPLY && payloadLength(b, start) === ECHO_LENGTH);
}
