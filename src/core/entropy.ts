/** A source of unpredictable bytes (RFC 4086): the system's generator, or a seeded one in the simulator. */
export interface Entropy {
  fill(target: Uint8Array): void;
}

/** A uniformly distributed unsigned 32-bit number. */
export function randomUint32(entropy: Entropy): number {
  entropy.fill(scratch);
  return ((scratch[0]! << 24) | (scratch[1]! << 16) | (scratch[2]! << 8) | scratch[3]!) >>> 0;
}

/** A number uniformly distributed in [low, high). */
export function randomBetween(entropy: Entropy, low: number, high: number): number {
  return low + (randomUint32(entropy) / 2 ** 32) * (high - low);
}

/** `length` fresh unpredictable bytes. */
export function randomBytes(entropy: Entropy, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  entropy.fill(bytes);
  return bytes;
}

const scratch = new Uint8Array(4);
