import { randomUint32 } from './entropy.ts';
import type { Entropy } from './entropy.ts';

/**
 * HalfSipHash (Aumasson, Bernstein: SipHash), a keyed hash of 32-bit words: an attacker that does not know the key cannot choose inputs
 * that collide. The default of 1 and 3 rounds is made for hash tables; 2 and 4 rounds make a pseudo-random function.
 */
export class HashKey {
  private readonly k0: number;
  private readonly k1: number;
  private readonly compression: number;
  private readonly finalization: number;

  constructor(entropy: Entropy, compression = 1, finalization = 3) {
    this.k0 = randomUint32(entropy) | 0;
    this.k1 = randomUint32(entropy) | 0;
    this.compression = compression;
    this.finalization = finalization;
  }

  /** Hash of two words, an unsigned 32-bit number. */
  of2(a: number, b: number): number {
    message[0] = a;
    message[1] = b;
    return this.digest(2);
  }

  /** Hash of four words, an unsigned 32-bit number. */
  of4(a: number, b: number, c: number, d: number): number {
    message[0] = a;
    message[1] = b;
    message[2] = c;
    message[3] = d;
    return this.digest(4);
  }

  private digest(length: number): number {
    // With `| 0` the compiler knows that the fields are integers and omits checks.
    return halfSipHash(this.k0 | 0, this.k1 | 0, length, this.compression | 0, this.finalization | 0);
  }
}

/**
 * The hash of the first `length` words of `message`. One loop over all rounds, with the state in local variables: three times as fast as
 * one method call for each round.
 */
function halfSipHash(
  k0: number,
  k1: number,
  length: number,
  compression: number,
  finalization: number,
): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  message[length] = length << 26; // the length in octets, in the last octet of the padding
  let at = 0;
  let word = message[0];
  let rounds = compression;
  v3 ^= word;
  for (;;) {
    v0 = (v0 + v1) | 0;
    v1 = (v1 << 5) | (v1 >>> 27);
    v1 ^= v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = (v3 << 8) | (v3 >>> 24);
    v3 ^= v2;
    v0 = (v0 + v3) | 0;
    v3 = (v3 << 7) | (v3 >>> 25);
    v3 ^= v0;
    v2 = (v2 + v1) | 0;
    v1 = (v1 << 13) | (v1 >>> 19);
    v1 ^= v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (--rounds > 0) continue;
    if (at > length) return (v1 ^ v3) >>> 0;
    v0 ^= word;
    at++;
    if (at > length) {
      v2 ^= 0xff;
      rounds = finalization;
    } else {
      word = message[at];
      v3 ^= word;
      rounds = compression;
    }
  }
}

/** The words of the message and its length: scratch space. */
const message = new Int32Array(5);
