/** The definitions on which both sides of the server's kernel path must agree. They repeat bpf/server.h; layout.test.ts compares the two. */

/** In the order of the counters' array. The machine does not count these packets, except those that are left to the sockets. */
export const SERVER_KERNEL_COUNTERS = [
  'solicitationsAnswered',
  'answeredInDriver',
  'forwardedToClients',
  'droppedDenied',
  'droppedAnswerLimit',
  'droppedForwardLimit',
  'leftToSockets',
] as const;

/** Kinds of token buckets. */
export const BUDGETS = {
  answersShared: 0,
  answersMember: 1,
  answersReserve: 2,
  forwardedShared: 3,
  forwardedMember: 4,
  forwardedReserve: 5,
  forwardedByPairShared: 6,
  forwardedByPairMember: 7,
  forwardedByPairReserve: 8,
} as const;

/** Limits whose hits are recorded, and the number of slots for the addresses of each. */
export const LIMITS = { answers: 0, forwarded: 1, forwardedByPair: 2 } as const;
export const LIMIT_SLOTS = 64;
export const LIMIT_HIT = { times: 0, address: 8, lead: 12, timesOfAddress: 16, SIZE: 24 } as const;

export const MAX_RANGES = 32;
export const MAX_DRIVER_LINKS = 4;
export const MAX_NEAR = 8;

/** Modes of the program: does nothing, only counts the datagrams that it could decide, decides them. */
export const MODE = { off: 0, watch: 1, work: 2 } as const;

/** Verdicts of the access list; a default of 0 means that there is none. */
export const ACCESS = { none: 0, allow: 1, deny: 2 } as const;

/** Offsets of fields, and sizes. Addresses and ports are in network order, everything else in the machine's. */
export const SERVER_CONFIG = {
  primary: 0,
  secondary: 4,
  announced: 8,
  key0: 12,
  key1: 16,
  uplink: 20,
  sampleMs: 24,
  rangeCount: 28,
  nearCount: 30,
  ranges: 32,
  links: 288,
  near: 352,
  advertisement: 416,
  advertisementLength: 520,
  advertisementSum: 522,
  answers: 524,
  allowPrivate: 525,
  ttl: 526,
  access: 527,
  mode: 528,
  anySource: 529,
  SIZE: 536,
} as const;
/** An interface with a program in its driver; in the configuration. */
export const DRIVER_LINK = { ifindex: 0, address: 4, gateway: 10, SIZE: 16 } as const;
/** A range in the configuration. */
export const RANGE = { address: 0, mask: 4, SIZE: 8 } as const;
export const ACCESS_KEY = { length: 0, prefix: 4, SIZE: 8 } as const;
/** Parts of a token, parts of those in the rate of filling, and units of time (2^22 ns). */
export const TOKEN = 2 ** 12;
export const RATE = 2 ** 20;
export const UNITS_PER_SECOND = 1e9 / 2 ** 22;
export const BUDGET = { burst: 0, perUnit: 8, fill: 16, SIZE: 24 } as const;
