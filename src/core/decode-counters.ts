import type { DecodeReason } from '../wire/index.ts';

/** A counter for each reason for which a datagram is not a Teredo datagram, the same in every role. C-10 to C-17 */
export const DECODE_COUNTERS = {
  empty: 'droppedEmpty',
  'unknown-header': 'droppedUnknownHeader',
  'truncated-authentication': 'droppedTruncatedAuthentication',
  'duplicate-authentication': 'droppedDuplicateAuthentication',
  'truncated-origin': 'droppedTruncatedOrigin',
  'duplicate-origin': 'droppedDuplicateOrigin',
  'misordered-headers': 'droppedMisorderedHeaders',
  'not-ipv6': 'droppedNotIpv6',
  'truncated-ipv6': 'droppedTruncatedIpv6',
} as const satisfies Readonly<Record<DecodeReason, string>>;

export const MALFORMED = Object.values(DECODE_COUNTERS);
