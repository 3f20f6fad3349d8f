import { CARRIED_SILENCE_MS, PEER_VALIDITY_MS, TUNNEL_MTU } from '../constants.ts';
import { takeOuterEcn } from '../ecn.ts';
import { makeCounters } from '../machine.ts';
import { NO_TRAFFIC } from '../peer-traffic.ts';
import type { UnreportedTraffic } from '../peer-traffic.ts';
import type { SocketId } from '../socket-id.ts';
import { ServedRange } from '../relay/served.ts';
import {
  DESTINATION,
  ICMPV6,
  IPV6_HEADER,
  NEXT_HEADER,
  SOURCE,
  checkIpv6,
  equalBytes,
  icmpv6Type,
  isExtension,
  isFirstFragment,
  nextHeader,
  payloadLength,
  toHex,
} from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import type { Carried } from './carried.ts';
import { TallyMaker } from './prefix-tallies.ts';
import type { PrefixTallies } from './prefix-tallies.ts';

/** Least time between two reports of a peer, and between two samples of its packets. */
const SPACING_MS = 1_000;
/**
 * A sample: from time to time one packet of each peer, in each direction, goes to the machine. After {@link SAMPLE_MS} it is a packet that may
 * arrive late without harm, after {@link SAMPLE_ANY_MS} any packet. Packets from the peer are carried only if the machine has received one
 * within {@link UNSEEN_MS}.
 */
const SAMPLE_MS = 4_000;
const SAMPLE_ANY_MS = 6_000;
const UNSEEN_MS = 10_000;
/**
 * ICMPv6 payload of an echo reply that may answer a client's connectivity test, and of an echo request with which a peer may test
 * whether packets from its kernel path arrive. The machine has to answer that one, so it goes to the machine.
 */
const ECHO_LENGTH = 16;
/** Offset of the octet with the header length in a TCP header. */
const TCP_LENGTHS = 12;

const COUNTERS = [
  'carriedOut',
  'carriedIn',
  'carriedOutBytes',
  'carriedInBytes',
  'carriedNothing',
  'outNoPeer',
  'outNotHeard',
  'outUnproven',
  'outQuestion',
  'outSample',
  'outForeignSource',
  'outMalformed',
  'outTooBig',
  'outExtension',
  'inNoPeer',
  'inElsewhere',
  'inNotHeard',
  'inForeignDestination',
  'inOtherLength',
  'inBubble',
  'inAdvertisement',
  'inTestReply',
  'inProofRequest',
  'inSample',
  'inUnseen',
  'inExtension',
  'inEcnDropped',
] as const;

/** The verdict on a datagram: delivered to the host; dropped; left to the machine. */
export type CarriedIn = 'carried' | 'dropped' | 'left';

interface Entry {
  readonly key: string;
  address: Ipv4;
  port: number;
  /** By which the peer is reached. */
  socket: SocketId;
  lastReceived: number;
  lastSent: number;
  /** A packet carried to the peer has been answered. */
  isProven: boolean;
  lastReport: number;
  /** Time of the last packet from the peer that the machine received, and of the last samples in both directions (ms). */
  machineReceived: number;
  lastSampleIn: number;
  lastSampleOut: number;
  receivedPackets: number;
  receivedBytes: number;
  sentPackets: number;
  sentBytes: number;
}

/** The outer source of a datagram, its TOS octet, and the socket at which it arrives. */
export interface OuterSource extends Endpoint {
  /** 0 unless given. */
  readonly tos?: number;
  readonly socket?: SocketId;
}

/** Where a packet to a peer goes, and from which socket. */
export interface OuterWay extends Endpoint {
  readonly socket: SocketId;
}

/**
 * The kernel path in memory, for the simulator and for tests. It carries the packets that the kernel's programs would carry, and leaves
 * the others to the machine.
 */
export class Carrier {
  readonly counters = makeCounters(COUNTERS);
  private readonly role: 'client' | 'relay';
  private readonly served = new ServedRange([]);
  private readonly entries = new Map<string, Entry>();
  /** The sockets by which peers are reached. */
  private readonly sockets = new Set<SocketId>();
  private readonly tallies = new TallyMaker();
  /** Copies of entries to be reported. */
  private reports: Entry[] = [];
  private own: Ipv6 | undefined = undefined;

  constructor(role: 'client' | 'relay') {
    this.role = role;
  }

  /** How many peers are offloaded. */
  get size(): number {
    return this.entries.size;
  }

  /** The offloaded peers; new arrays. */
  get peers(): Uint8Array[] {
    return [...this.entries.keys()].map(bytesOf);
  }

  /** Whether {@link takeReports} or {@link takeTallies} would return anything. */
  get hasReports(): boolean {
    return this.reports.length > 0 || !this.tallies.isEmpty;
  }

  /** The client's address; undefined: no packet is carried. */
  setOwn(address: Ipv6 | undefined): void {
    this.own = address;
  }

  /** The native addresses that a relay serves. */
  setServed(prefixes: readonly Ipv6Prefix[]): void {
    this.served.set(prefixes);
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    { address, port, socket = 0 }: OuterSource,
    heardAt: number,
    now: number,
  ): void {
    const key = toHex(buffer, offset, offset + 16);
    const entry = this.entries.get(key);
    this.sockets.add(socket);
    if (entry === undefined) {
      this.entries.set(key, makeEntry(key, { address, port, socket }, heardAt, now));
    } else {
      entry.machineReceived = Math.max(entry.machineReceived, heardAt);
      entry.address = address;
      entry.port = port;
      entry.socket = socket;
      if (heardAt > entry.lastReceived) entry.isProven = true;
      entry.lastReceived = Math.max(entry.lastReceived, heardAt);
    }
  }

  /** Whether peers are reached by this socket. */
  hasSocket(socket: SocketId): boolean {
    return this.sockets.has(socket);
  }

  /** Nothing is carried by this socket any more. */
  closeSocket(socket: SocketId): void {
    this.sockets.delete(socket);
    for (const entry of this.entries.values()) if (entry.socket === socket) this.remove(entry.key);
  }

  /** No packet is carried to the peer until it is heard again. */
  distrust(buffer: Uint8Array, offset: number): void {
    const entry = this.entries.get(toHex(buffer, offset, offset + 16));
    if (entry !== undefined) entry.isProven = false;
  }

  /** The directions in which a peer's packets are carried. */
  wayOf(peer: Ipv6): 'none' | 'inward' | 'both' {
    const entry = this.entries.get(toHex(peer, 0, 16));
    if (entry === undefined) return 'none';
    return entry.isProven ? 'both' : 'inward';
  }

  unload(buffer: Uint8Array, offset: number): void {
    this.remove(toHex(buffer, offset, offset + 16));
  }

  /** Forgets all peers, with a last report of each. */
  clear(): void {
    for (const key of this.entries.keys()) this.remove(key);
  }

  /** The way of the host's packet `b[start, end)`; undefined: the packet is left to the machine. CL-60, R-26 */
  carryOut(b: Uint8Array, start: number, end: number, now: number): OuterWay | undefined {
    const { counters } = this;
    if (!isWhole(b, start, end)) {
      counters.outMalformed++;
      return undefined;
    }
    const entry = this.entries.get(keyAt(b, start + DESTINATION));
    if (entry === undefined) {
      counters.outNoPeer++;
      return undefined;
    }
    if (!this.isOurs(b, start + SOURCE)) {
      counters.outForeignSource++; // CL-70, R-30
      return undefined;
    }
    if (end - start > TUNNEL_MTU) {
      counters.outTooBig++; // CL-71, R-28
      return undefined;
    }
    if (isExtended(b, start)) {
      counters.outExtension++; // C-31
      return undefined;
    }
    if (now - entry.lastReceived >= PEER_VALIDITY_MS) {
      counters.outNotHeard++;
      return undefined;
    }
    if (!entry.isProven) {
      counters.outUnproven++;
      return undefined;
    }
    if (nextHeader(b, start) === NEXT_HEADER.NONE) {
      counters.carriedNothing++; // a bubble: it expects no answer, so it is neither counted nor a question
      return entry;
    }
    if (isSilent(entry, now)) {
      counters.outQuestion++;
      return undefined;
    }
    if (isSampleOut(entry, b, start, now)) {
      entry.lastSampleOut = now;
      counters.outSample++;
      return undefined;
    }
    entry.lastSent = now;
    entry.sentPackets++;
    entry.sentBytes += end - start;
    counters.carriedOut++;
    counters.carriedOutBytes += end - start;
    this.tally(b, start + SOURCE, end - start, 'received');
    this.report(entry, now);
    return entry;
  }

  /**
   * Whether the payload `b[start, end)` of a datagram is a packet for the host. If it is carried, its ECN field is set
   * according to RFC 6040.
   */
  carryIn(b: Uint8Array, start: number, end: number, from: OuterSource, now: number): CarriedIn {
    const { counters } = this;
    if (!isWhole(b, start, end)) {
      counters.inOtherLength++;
      return 'left';
    }
    const entry = this.entries.get(keyAt(b, start + SOURCE));
    if (entry === undefined) {
      counters.inNoPeer++;
      return 'left';
    }
    const reason = this.reasonToLookAt(entry, b, start, from, now);
    if (reason !== undefined) {
      counters[reason]++;
      return 'left';
    }
    if (isSampleIn(entry, b, start, now)) {
      entry.lastSampleIn = now;
      counters.inSample++;
      return 'left';
    }
    entry.lastReceived = now;
    entry.isProven = true;
    if (!takeOuterEcn(b, start, from.tos ?? 0)) {
      counters.inEcnDropped++; // N-8
      return 'dropped';
    }
    entry.receivedPackets++;
    entry.receivedBytes += end - start;
    counters.carriedIn++;
    counters.carriedInBytes += end - start;
    this.tally(b, start + DESTINATION, end - start, 'sent');
    this.report(entry, now);
    return 'carried';
  }

  /** Packets carried for a peer that are in no report yet. */
  unreportedOf(peer: Ipv6): UnreportedTraffic {
    const entry = this.entries.get(toHex(peer, 0, 16));
    if (entry === undefined) return { ...NO_TRAFFIC, lastAt: -Infinity };
    const { receivedPackets, receivedBytes, sentPackets, sentBytes } = entry;
    const lastAt = Math.max(entry.lastReceived, entry.lastSent);
    return { receivedPackets, receivedBytes, sentPackets, sentBytes, lastAt };
  }

  /** The reports since the last call. */
  takeReports(): Carried {
    const { reports } = this;
    this.reports = [];
    const column = (of: (entry: Entry) => number): Float64Array => Float64Array.from(reports, of);
    const buffer = new Uint8Array(16 * reports.length);
    reports.forEach(({ key }, i) => buffer.set(bytesOf(key), 16 * i));
    return {
      count: reports.length,
      buffer,
      receivedAt: column((entry) => (entry.receivedPackets > 0 ? entry.lastReceived : -Infinity)),
      sentAt: column((entry) => (entry.sentPackets > 0 ? entry.lastSent : -Infinity)),
      receivedPackets: column((entry) => entry.receivedPackets),
      receivedBytes: column((entry) => entry.receivedBytes),
      sentPackets: column((entry) => entry.sentPackets),
      sentBytes: column((entry) => entry.sentBytes),
    };
  }

  /** The tallies of native prefixes since the last call. */
  takeTallies(): PrefixTallies {
    return this.tallies.take();
  }

  private tally(b: Uint8Array, native: number, octets: number, direction: 'received' | 'sent'): void {
    if (this.role === 'relay') this.tallies.count(b, native, octets, direction);
  }

  private reasonToLookAt(
    entry: Entry,
    b: Uint8Array,
    start: number,
    { address, port, socket = 0 }: OuterSource,
    now: number,
  ): (typeof COUNTERS)[number] | undefined {
    if (entry.address !== address || entry.port !== port || entry.socket !== socket) return 'inElsewhere'; // CL-45, R-21
    if (!this.isOurs(b, start + DESTINATION)) return 'inForeignDestination'; // CL-41, R-23
    const next = nextHeader(b, start);
    if (next === NEXT_HEADER.NONE) return 'inBubble'; // CL-52
    if (isExtension(next)) return 'inExtension'; // C-31
    if (now - entry.lastReceived >= PEER_VALIDITY_MS) return 'inNotHeard';
    const reason = reasonOfIcmpv6(b, start, this.role);
    if (reason !== undefined) return reason;
    return now - entry.machineReceived >= UNSEEN_MS ? 'inUnseen' : undefined;
  }

  private isOurs(b: Uint8Array, offset: number): boolean {
    if (this.role === 'relay') return this.served.has(b, offset);
    return this.own !== undefined && equalBytes(b, offset, this.own, 0, 16);
  }

  private report(entry: Entry, now: number): void {
    if (now - entry.lastReport < SPACING_MS) return;
    entry.lastReport = now;
    this.reports.push({ ...entry });
    entry.receivedPackets = entry.receivedBytes = entry.sentPackets = entry.sentBytes = 0;
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    if (entry.receivedPackets > 0 || entry.sentPackets > 0) this.reports.push(entry);
  }
}

function isSilent(entry: Entry, now: number): boolean {
  return entry.lastSent > entry.lastReceived && now - entry.lastReceived >= CARRIED_SILENCE_MS;
}

function isSampleOut(entry: Entry, b: Uint8Array, start: number, now: number): boolean {
  const age = now - entry.lastSampleOut;
  return age >= SAMPLE_MS && (age >= SAMPLE_ANY_MS || mayBeLate(b, start));
}

function isSampleIn(entry: Entry, b: Uint8Array, start: number, now: number): boolean {
  const age = now - entry.machineReceived;
  if (age < SAMPLE_MS || now - entry.lastSampleIn < SPACING_MS) return false;
  return age >= SAMPLE_ANY_MS || mayBeLate(b, start);
}

/** Whether a packet may be overtaken by later ones: all but TCP segments with data. */
function mayBeLate(b: Uint8Array, start: number): boolean {
  if (nextHeader(b, start) !== NEXT_HEADER.TCP) return true;
  const lengths = start + IPV6_HEADER + TCP_LENGTHS;
  return payloadLength(b, start) > TCP_LENGTHS && (b[lengths]! >> 4) * 4 === payloadLength(b, start);
}

function makeEntry(key: string, { address, port, socket }: OuterWay, heardAt: number, now: number): Entry {
  return {
    key,
    address,
    port,
    socket,
    lastReceived: heardAt,
    lastSent: -Infinity,
    isProven: true,
    lastReport: -Infinity,
    machineReceived: heardAt,
    lastSampleIn: -Infinity,
    lastSampleOut: now,
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

/** Whether a packet of the host is left to the machine because of its extension headers. False for a fragment that has no others. */
function isExtended(b: Uint8Array, start: number): boolean {
  const next = nextHeader(b, start);
  if (next !== NEXT_HEADER.FRAGMENT) return isExtension(next);
  const at = start + IPV6_HEADER;
  if (payloadLength(b, start) < 4) return true;
  return isFirstFragment(b, at) && isExtension(b[at]!);
}

/** The reason for which an ICMPv6 message is left to the machine. */
function reasonOfIcmpv6(
  b: Uint8Array,
  start: number,
  role: 'client' | 'relay',
): 'inAdvertisement' | 'inTestReply' | 'inProofRequest' | undefined {
  if (nextHeader(b, start) !== NEXT_HEADER.ICMPV6 || payloadLength(b, start) === 0) return undefined;
  const type = icmpv6Type(b, start);
  if (role === 'client' && type === ICMPV6.RA) return 'inAdvertisement'; // CL-20
  if (payloadLength(b, start) !== ECHO_LENGTH) return undefined;
  if (type === ICMPV6.ECHO_REQUEST) return 'inProofRequest';
  return role === 'client' && type === ICMPV6.ECHO_REPLY ? 'inTestReply' : undefined; // CL-46
}

function keyAt(b: Uint8Array, offset: number): string {
  return toHex(b, offset, offset + 16);
}

function bytesOf(key: string): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => parseInt(key.slice(2 * i, 2 * i + 2), 16));
}
