import { ORIGIN_LENGTH, authenticationLength, isTeredo, readUint32 } from '../../wire/index.ts';

/** How the packets of a relay are divided among its workers. */
export interface Steering {
  /** Random numbers with which a client's address is hashed; `factor` is odd. */
  readonly key: number;
  readonly factor: number;
  readonly workers: number;
}

/** Where an IPv6 header has its source. */
const SOURCE = 8;
const ADDRESS = 16;

/** The worker of the client whose address is at `b[at]`; the first one, where there is none. bpf/steer.bpf.c computes the same. */
export function workerOfClient(b: Uint8Array, at: number, { key, factor, workers }: Steering): number {
  if (!isTeredo(b, at)) return 0;
  let hash = key;
  for (let word = 4; word <= ADDRESS; word += 4) {
    hash = Math.imul(hash ^ (word < ADDRESS ? readUint32(b, at + word) : 0), factor);
    hash ^= hash >>> 15;
  }
  return Math.floor(((hash >>> 0) * workers) / 2 ** 32);
}

/** Where the UDP payload `b[start, end)` has the address of the client that it is about; -1: it has none, and is the first worker's. */
export function clientAt(b: Uint8Array, start: number, end: number): number {
  let at = start;
  if (end - at >= 4 && b[at] === 0 && b[at + 1] === 1) at += authenticationLength(b[at + 2]!, b[at + 3]!);
  if (end - at >= 4 && b[at] === 0 && b[at + 1] === 0) at += ORIGIN_LENGTH;
  return end - at >= SOURCE + ADDRESS && b[at]! >> 4 === 6 ? at + SOURCE : -1;
}
