/** The definitions on which both sides of the kernel path must agree. They repeat bpf/teredo.h; layout.test.ts compares the two. */

/** Outcomes of packets, in the order of the counters' array. */
export const KERNEL_COUNTERS = [
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
  'outUnfinished',
  'outBulk',
  'outUnsummed',
  'outRefused',
  'inNoPeer',
  'inElsewhere',
  'inNotHeard',
  'inForeignDestination',
  'inUnsummed',
  'inOtherLength',
  'inBubble',
  'inAdvertisement',
  'inTestReply',
  'inProofRequest',
  'inProof',
  'inSample',
  'inUnseen',
  'inExtension',
  'inEcnDropped',
  'inRefused',
  'reportsLate',
  'talliesLost',
  'inDriver',
  'inMerging',
] as const;

export const MAX_UPLINKS = 16;
/** The most queues of the pair of interfaces in which segments are merged. */
export const MAX_PAIR_QUEUES = 64;
/** The most interfaces at which datagrams of peers are looked for. */
export const MAX_ARRIVALS = 16;
/** The most native prefixes whose tallies wait. */
export const MAX_PREFIXES = 4_096;

/** A gateway with this value means: ask the routes for each packet. */
export const GATEWAY_BY_ROUTE = 0xffff_ffff;

export const ROLE = { none: 0, client: 1, relay: 2 } as const;

/** Times in 32 bits are in units of 2^20 ns, times in 16 bits in units of 2^26. */
export const UNIT_SHIFT = 20;
export const LONG_UNIT_SHIFT = 26;
/** A time in 32 bits that lies further ahead is one of long ago. */
export const FAR_UNITS = 1 << 24;
/** An older time is kept as one of so long ago. */
export const OLDEST_UNITS = 1 << 30;

/** A local port's bit is in the map `ports`, in the entry with the number port >> PORTS_SHIFT. */
export const PORTS_SHIFT = 6;

/** The helpers with which the programs unwrap: the one of kernel 6.3, or two that older kernels have, too. */
export const UNWRAP = { byOneCall: 0, byTwoCalls: 1 } as const;
export type Unwrap = (typeof UNWRAP)[keyof typeof UNWRAP];

/**
 * The way of a peer: how far its packets are carried. `inward`: only those from the peer. `checked`: both directions, with a UDP checksum.
 * `bare`: both directions, without one. `tried`: those from the peer, and one TCP segment to it, as a proof.
 */
export const WAY = { inward: 0, checked: 1, bare: 2, tried: 3 } as const;
export type Way = (typeof WAY)[keyof typeof WAY];

/** The lower half of a peer's `route` is the number of its uplink, the upper half is its {@link WAY}. */
export const ROUTE_WAY_SHIFT = 4;
/** The lower half of a peer's `history` is not 0 while its kernel is known to unwrap; the upper half counts failed proofs. */
export const HISTORY_UNWRAPS = 15;
export const HISTORY_FAILURES_SHIFT = 4;

export const NOTICE_KIND = { wanted: 1, answered: 2, silent: 3 } as const;
/** The octet of an injected frame that gives the {@link WAY} of its packet. */
export const INJECTED_WAY = 11;

/** Offsets of fields, and sizes. Addresses and ports are in network order, everything else in the machine's. */
export const CONFIG = {
  own: 0,
  tunnel: 16,
  tunnelHeader: 20,
  stretch: 24,
  renewal: 28,
  mark: 32,
  role: 36,
  ttl: 37,
  reporting: 40,
  pairAddress: 44,
  SIZE: 48,
} as const;
export const UPLINK = {
  ifindex: 0,
  source: 4,
  mtu: 8,
  finishes: 12,
  gateway: 16,
  isBare: 20,
  cuts: 24,
  pair: 28,
  pairQueues: 32,
  pairEnds: 36,
  lastSuper: 40,
  SIZE: 44,
} as const;
export const DRIVER = { address: 0, isVirtual: 6, SIZE: 8 } as const;
export const PAIR_QUEUE = {
  sent: 0,
  arrived: 4,
  sentAt: 8,
  arrivedAt: 12,
  full: 16,
  look: 20,
  least: 24,
  unused: 28,
  SIZE: 64,
} as const;
export const PAIR_LOOK = { number: 0, lost: 4, SIZE: 8 } as const;
export const PEER = {
  lastReceived: 0,
  lastSent: 4,
  receivedBytes: 8,
  sentBytes: 16,
  receivedPackets: 24,
  sentPackets: 28,
  address: 32,
  port: 36,
  route: 38,
  history: 39,
  lastNotice: 40,
  lastReport: 44,
  socketHeard: 48,
  localPort: 50,
  lastSampleIn: 52,
  lastSampleOut: 54,
  SIZE: 56,
} as const;
export const PROOF = {
  nonce: 0,
  answered: 7,
  host: 8,
  ports: 24,
  seen: 28,
  begin: 32,
  end: 36,
  segment: 40,
  at: 44,
  bulks: 48,
  trials: 50,
  SIZE: 52,
} as const;
export const AMENDMENT = {
  peer: 0,
  lastReceived: 16,
  lastNotice: 24,
  socketHeard: 28,
  changes: 30,
  way: 31,
  failures: 32,
  SIZE: 40,
} as const;
export const OFFER = {
  peer: 0,
  lastReceived: 16,
  address: 24,
  port: 28,
  localPort: 30,
  socketHeard: 32,
  uplink: 34,
  result: 35,
  SIZE: 40,
} as const;
export const OFFER_RESULT = { known: 0, added: 1, elsewhere: 2, refused: 3 } as const;
export const MOST_OFFERS = 64;
/** So long ago is longer than any time between two notices, two reports, or two samples. */
export const LONG_AGO_UNITS = 10_000;
/** Flags for the fields of an {@link AMENDMENT} that are set. `way` covers the failures and the latest notice, too. */
export const AMEND = { seen: 1, way: 2 } as const;
export const NOTICE = { peer: 0, source: 16, kind: 32, SIZE: 36 } as const;
export const REPORT = {
  peer: 0,
  lastReceived: 16,
  lastSent: 24,
  receivedBytes: 32,
  sentBytes: 40,
  receivedPackets: 48,
  sentPackets: 52,
  SIZE: 56,
} as const;
export const PREFIX_TALLIES = { received: 0, sent: 4, SIZE: 8 } as const;
export const SERVED_KEY = { length: 0, prefix: 4, SIZE: 20 } as const;

/** A number of 64 bits, without the cost of a BigInt: 2 ns instead of 28. */
export function uint64At(view: DataView, at: number): number {
  return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
}
