import { SOURCE } from './ipv6.ts';

/**
 * The Internet checksum (RFC 1071) of the octets from `start` to `end`: the value to store, or 0 when the stored one is
 * right. `seed` is a sum of 16-bit words to go on from. Up to 64 KB at a time.
 */
export function internetChecksum(b: Uint8Array, start: number, end: number, seed = 0): number {
  let sum = sumWords(b, start, end) + seed;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum ^ 0xffff;
}

/**
 * The checksum of an upper-layer packet with the pseudo-header of RFC 8200 section 8.1, whose addresses are those of the
 * IPv6 header at `ipv6Offset`: the value to store, or 0 when the stored one is right.
 */
export function transportChecksum(
  b: Uint8Array,
  ipv6Offset: number,
  nextHeader: number,
  start: number,
  end: number,
): number {
  const addresses = sumWords(b, ipv6Offset + SOURCE, ipv6Offset + SOURCE + 32);
  return internetChecksum(b, start, end, addresses + (end - start) + nextHeader);
}

/** Fits in 32 bits for anything that an IPv6 payload length can say. Eight words a turn, for large packets. */
function sumWords(b: Uint8Array, start: number, end: number): number {
  let high = 0;
  let low = 0;
  let i = start;
  for (; i + 16 <= end; i += 16) {
    high += b[i] + b[i + 2] + b[i + 4] + b[i + 6] + b[i + 8] + b[i + 10] + b[i + 12] + b[i + 14];
    low += b[i + 1] + b[i + 3] + b[i + 5] + b[i + 7] + b[i + 9] + b[i + 11] + b[i + 13] + b[i + 15];
  }
  for (; i + 2 <= end; i += 2) {
    high += b[i];
    low += b[i + 1];
  }
  if (i < end) high += b[i];
  return high * 256 + low;
}
