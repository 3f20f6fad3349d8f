/** The definitions on which both sides of the server's kernel path must agree. They repeat bpf/server.h; layout.test.ts compares the two. */

/** In the order of the counters' array. The machine does not count these packets. */
export const SERVER_KERNEL_COUNTERS = [
  'receivedDatagrams',
  'solicitationsAnswered',
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
  ranges: 28,
  advertisementLength: 284,
  advertisementSum: 286,
  answers: 288,
  allowPrivate: 289,
  ttl: 290,
  access: 291,
  mode: 292,
  anySource: 293,
  advertisement: 294,
  SIZE: 400,
} as const;
/** A range in the configuration. */
export const RANGE = { address: 0, mask: 4, SIZE: 8 } as const;
export const ACCESS_KEY = { length: 0, prefix: 4, SIZE: 8 } as const;
/** The number of parts of a token. */
export const TOKEN = 1_024;
export const BUDGET = { burst: 0, perSecond: 8, fillNs: 16, SIZE: 24 } as const;
