import { randomFillSync } from 'node:crypto';
import type { Entropy } from '../core/entropy.ts';

const POOL = 1_024;
/** Larger requests are rare. */
const SMALL = 64;

/**
 * The system's generator, asked for many octets at a time: after a pause one question takes 60 us, which is a third of the time of a packet to a
 * new peer. Each octet is given once, and is not kept.
 */
export function pooledEntropy(generate: (target: Uint8Array) => void = randomFillSync): Entropy {
  const pool = new Uint8Array(POOL);
  let left = 0;
  return {
    fill: (target) => {
      const { length } = target;
      if (length > SMALL) {
        generate(target);
        return;
      }
      if (left < length) {
        generate(pool);
        left = POOL;
      }
      left -= length;
      for (let i = 0; i < length; i++) target[i] = pool[left + i]!;
      pool.fill(0, left, left + length);
    },
  };
}
