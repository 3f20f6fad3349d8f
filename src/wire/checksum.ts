import { SOURCE } from './ipv6.ts';

/**
 * The Internet checksum (RFC 1071) of the octets from `start` to `end`: the value to store, or 0 if the stored one is
 * correct. `seed`: a sum of 16-bit words to which these octets are added. At most 64 KB.
 */
export function internetChecksum(b: Uint8Array, start: number, end: number, seed = 0): number {
  return foldSum(sumWords(b, start, end) + seed) ^ 0xffff;
}

/**
 * The checksum of an upper-layer packet with the pseudo-header of RFC 8200 section 8.1, whose addresses are those of the
 * IPv6 header at `ipv6Offset`: the value to store, or 0 if the stored one is correct.
 */
export function transportChecksum(
  b: Uint8Array,
  ipv6Offset: number,
  nextHeader: number,
  start: number,
  end: number,
): number {
  return internetChecksum(b, start, end, pseudoHeaderSum(b, ipv6Offset, nextHeader, end - start));
}

/** The sum of the 16-bit words of the pseudo-header for `length` octets of upper-layer packet. A seed for {@link internetChecksum}. */
export function pseudoHeaderSum(
  b: Uint8Array,
  ipv6Offset: number,
  nextHeader: number,
  length: number,
): number {
  return sumWords(b, ipv6Offset + SOURCE, ipv6Offset + SOURCE + 32) + length + nextHeader;
}

/** Folds a sum of 16-bit words into 16 bits: carries are added. */
export function foldSum(sum: number): number {
  const folded = (sum >>> 16) + (sum & 0xffff);
  return (folded >>> 16) + (folded & 0xffff);
}

/** The sum of the 16-bit words between two offsets, in 32 bits. */
function sumWords(b: Uint8Array, start: number, end: number): number {
  const first = b.byteOffset + start;
  if ((first & 1) !== 0 || end - start < WORTHWHILE) return sumBytes(b, start, end);
  // 32-bit words in the processor's byte order: in one's complement the sum is the same, with its two octets swapped (RFC 1071).
  const lead = first & 2;
  const words = wordsOf(b.buffer);
  const from = (first + lead) >> 2;
  const to = from + ((end - start - lead) >> 2);
  let even = 0;
  let odd = 0;
  let i = from;
  // Eight words at once: half as many additions have to wait for the one before.
  for (; i + 8 <= to; i += 8) {
    even += words[i] + words[i + 2] + (words[i + 4] + words[i + 6]);
    odd += words[i + 1] + words[i + 3] + (words[i + 5] + words[i + 7]);
  }
  for (; i < to; i++) even += words[i];
  const total = even + odd;
  const half = foldSum(total % 2 ** 32) + foldSum(Math.floor(total / 2 ** 32));
  const sum = LITTLE_ENDIAN ? swap(foldSum(half)) : half;
  const rest = start + lead + (to - from) * 4;
  return sum + sumBytes(b, start, start + lead) + sumBytes(b, rest, end);
}

/** An IPv6 payload length is 16 bits, so the sum fits in 32. */
function sumBytes(b: Uint8Array, start: number, end: number): number {
  let high = 0;
  let low = 0;
  let i = start;
  for (; i + 2 <= end; i += 2) {
    high += b[i];
    low += b[i + 1];
  }
  if (i < end) high += b[i];
  return high * 256 + low;
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}

/** Keeps the view of the last buffer: most packets come from the same one. */
function wordsOf(buffer: ArrayBufferLike): Uint32Array {
  if (viewed !== buffer) {
    viewed = buffer;
    view = new Uint32Array(buffer, 0, buffer.byteLength >> 2);
  }
  return view;
}

let viewed: ArrayBufferLike | undefined;
let view: Uint32Array = new Uint32Array(0);

/** With fewer octets than this, setting up 32-bit access costs more than it saves. */
const WORTHWHILE = 64;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
