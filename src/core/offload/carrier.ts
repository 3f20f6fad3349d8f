import { PEER_VALIDITY_MS, TUNNEL_MTU } from '../constants.ts';
import { takeOuterEcn } from '../ecn.ts';
import { makeCounters } from '../machine.ts';
import { NO_TRAFFIC } from '../peer-traffic.ts';
import type { PeerTraffic } from '../peer-traffic.ts';
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

/** A peer that was sent to and has been silent for this long: what goes to it is the machine's until the peer is heard again. */
const CARRIED_SILENCE_MS = 2_000;
/** Between two reports of a peer, and between two samples of what it sends. */
const SPACING_MS = 1_000;
/**
 * Of each peer a packet goes to the machine now and then, each way: one that does no harm by being late after so long, any other after
 * {@link SAMPLE_ANY_MS}. What the peer sends is carried only while the machine has received some of it within {@link UNSEEN_MS}.
 */
const SAMPLE_MS = 4_000;
const SAMPLE_ANY_MS = 6_000;
const UNSEEN_MS = 10_000;
/**
 * Payload of an ICMPv6 echo reply that may answer a client's connectivity test, and of an echo request by which a peer may find out whether
 * what its kernel path sends arrives: the machine's own path is to show that.
 */
const ECHO_LENGTH = 16;
/** Offset of the octet with the header's length in a TCP header. */
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

/** What became of a datagram: delivered to the host; dropped; the machine is to look at it. */
export type CarriedIn = 'carried' | 'dropped' | 'left';

interface Entry {
  readonly key: string;
  address: Ipv4;
  port: number;
  lastReceived: number;
  lastSent: number;
  /** What was sent this way has been answered. */
  isProven: boolean;
  lastReport: number;
  /** When the machine was last given a packet that the peer sent, and when one that goes to it. */
  machineReceived: number;
  lastSampleIn: number;
  lastSampleOut: number;
  receivedPackets: number;
  receivedBytes: number;
  sentPackets: number;
  sentBytes: number;
}

/**
 * Carries packets of offloaded peers past a machine, as the kernel's programs do, in memory: what they would carry is
 * carried, what they would leave to user space goes to the machine. For the simulation and for tests.
 */
export class Carrier {
  readonly counters = makeCounters(COUNTERS);
  private readonly role: 'client' | 'relay';
  private readonly served = new ServedRange([]);
  private readonly entries = new Map<string, Entry>();
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

  /** Whether there is something that {@link takeReports} would give. */
  get hasReports(): boolean {
    return this.reports.length > 0;
  }

  /** A client's address; without one nothing is carried. */
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
    address: Ipv4,
    port: number,
    heardAt: number,
    now: number,
  ): void {
    const key = toHex(buffer, offset, offset + 16);
    const entry = this.entries.get(key);
    if (entry === undefined) {
      this.entries.set(key, makeEntry(key, address, port, heardAt, now));
    } else {
      entry.machineReceived = Math.max(entry.machineReceived, heardAt);
      entry.address = address;
      entry.port = port;
      if (heardAt > entry.lastReceived) entry.isProven = true;
      entry.lastReceived = Math.max(entry.lastReceived, heardAt);
    }
  }

  /** Nothing more is sent to the peer this way until it is heard again. */
  distrust(buffer: Uint8Array, offset: number): void {
    const entry = this.entries.get(toHex(buffer, offset, offset + 16));
    if (entry !== undefined) entry.isProven = false;
  }

  /** How far a peer's packets are carried. */
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

  /** Where the host's packet `b[start, end)` is to be sent as it is; undefined: the machine is to look at it. CL-60, R-26 */
  carryOut(b: Uint8Array, start: number, end: number, now: number): Endpoint | undefined {
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
      counters.carriedNothing++; // says nothing, and so asks nothing
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
    this.report(entry, now);
    return entry;
  }

  /**
   * Whether the payload `b[start, end)` of a datagram with this TOS octet is a packet for the host. Of one that is carried the ECN field is set as
   * RFC 6040 says.
   */
  carryIn(
    b: Uint8Array,
    start: number,
    end: number,
    address: Ipv4,
    port: number,
    now: number,
    tos = 0,
  ): CarriedIn {
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
    const reason = this.reasonToLookAt(entry, b, start, address, port, now);
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
    if (!takeOuterEcn(b, start, tos)) {
      counters.inEcnDropped++; // N-8
      return 'dropped';
    }
    entry.receivedPackets++;
    entry.receivedBytes += end - start;
    counters.carriedIn++;
    counters.carriedInBytes += end - start;
    this.report(entry, now);
    return 'carried';
  }

  /** What was carried of a peer, and is in no report yet. */
  unreportedOf(peer: Ipv6): PeerTraffic {
    const entry = this.entries.get(toHex(peer, 0, 16));
    if (entry === undefined) return NO_TRAFFIC;
    const { receivedPackets, receivedBytes, sentPackets, sentBytes } = entry;
    return { receivedPackets, receivedBytes, sentPackets, sentBytes };
  }

  /** What was carried since the last call, as far as it is reported yet. */
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

  private reasonToLookAt(
    entry: Entry,
    b: Uint8Array,
    start: number,
    address: Ipv4,
    port: number,
    now: number,
  ): (typeof COUNTERS)[number] | undefined {
    if (entry.address !== address || entry.port !== port) return 'inElsewhere'; // CL-45, R-21
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
  return age >= SAMPLE_MS && (age >= SAMPLE_ANY_MS || isPatient(b, start));
}

function isSampleIn(entry: Entry, b: Uint8Array, start: number, now: number): boolean {
  const age = now - entry.machineReceived;
  if (age < SAMPLE_MS || now - entry.lastSampleIn < SPACING_MS) return false;
  return age >= SAMPLE_ANY_MS || isPatient(b, start);
}

/** Whether a packet does no harm when it arrives behind those that were sent after it. */
function isPatient(b: Uint8Array, start: number): boolean {
  if (nextHeader(b, start) !== NEXT_HEADER.TCP) return true;
  const lengths = start + IPV6_HEADER + TCP_LENGTHS;
  return payloadLength(b, start) > TCP_LENGTHS && (b[lengths]! >> 4) * 4 === payloadLength(b, start);
}

function makeEntry(key: string, address: Ipv4, port: number, heardAt: number, now: number): Entry {
  return {
    key,
    address,
    port,
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

/** C-17; what is longer than it says has trailers, or has to be cut. */
function isWhole(b: Uint8Array, start: number, end: number): boolean {
  return checkIpv6(b, start, end) === undefined && end - start === IPV6_HEADER + payloadLength(b, start);
}

/** Whether the machine is to look at a packet of the host for its extension headers. Not at a fragment that can have no more of them. */
function isExtended(b: Uint8Array, start: number): boolean {
  const next = nextHeader(b, start);
  if (next !== NEXT_HEADER.FRAGMENT) return isExtension(next);
  const at = start + IPV6_HEADER;
  if (payloadLength(b, start) < 4) return true;
  return isFirstFragment(b, at) && isExtension(b[at]!);
}

/** Why the machine is to look at an ICMPv6 message. */
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
