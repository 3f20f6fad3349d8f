/** What both sides of the kernel path must agree on: the same as bpf/teredo.h, with which layout.test.ts compares it. */

/** What became of the packets, in the order of the counters' array. */
export const KERNEL_COUNTERS = [
  'carriedOut',
  'carriedIn',
  'carriedNothing',
  'outNoPeer',
  'outNotHeard',
  'outQuestion',
  'outForeignSource',
  'outMalformed',
  'outTooBig',
  'outUnfinished',
  'outRefused',
  'inNoPeer',
  'inElsewhere',
  'inNotHeard',
  'inForeignDestination',
  'inOtherLength',
  'inBubble',
  'inAdvertisement',
  'inTestReply',
  'inExtension',
  'inBroken',
  'inEcnDropped',
  'inRefused',
  'reportsLate',
] as const;

export const MAX_UPLINKS = 16;

/** As an uplink's gateway: what the routes say at the moment. */
export const GATEWAY_BY_ROUTE = 0xffff_ffff;

export const ROLE = { none: 0, client: 1, relay: 2 } as const;

/** Times in 32 bits are in units of 2^20 ns. */
export const UNIT_SHIFT = 20;

/** Offsets of fields, and sizes. Addresses and ports are in network order, everything else in the machine's. */
export const CONFIG = {
  own: 0,
  tunnel: 16,
  tunnelHeader: 20,
  port: 24,
  role: 26,
  ttl: 27,
  SIZE: 28,
} as const;
export const UPLINK = { ifindex: 0, source: 4, mtu: 8, finishes: 12, gateway: 16, SIZE: 20 } as const;
export const PEER = {
  lastReceived: 0,
  lastSent: 8,
  receivedBytes: 16,
  sentBytes: 24,
  receivedPackets: 32,
  sentPackets: 36,
  address: 40,
  port: 44,
  uplink: 46,
  unwraps: 47,
  lastQuestion: 48,
  lastReport: 52,
  SIZE: 56,
} as const;
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
export const SERVED_KEY = { length: 0, prefix: 4, SIZE: 20 } as const;
