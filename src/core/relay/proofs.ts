import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import { readUint32, writeUint32 } from '../../wire/index.ts';

/** How long a key signs; it is good for checking twice as long. Far longer than any contact takes. */
const KEY_LIFETIME_MS = 60_000;

/**
 * The sources of a relay's bubbles: fe80:: and a keyed hash of the client's address. Who sends a bubble to that
 * address has received ours, so it is there, behind the mapping in its address; who only forges the mapped address as
 * its source does not know it. Nothing has to be kept for that: like a SYN cookie it still tells the honest from the
 * forged when the peer that it was made for has been pushed out.
 */
export class Proofs {
  private readonly entropy: Entropy;
  private current: KeyPair;
  private previous: KeyPair;
  private bornAt = -Infinity;

  constructor(entropy: Entropy) {
    this.entropy = entropy;
    this.current = makeKeyPair(entropy);
    this.previous = this.current;
  }

  /** Writes the link-local address for the client whose address stands at `b[client]`. */
  write(b: Uint8Array, client: number, target: Uint8Array, offset: number, now: number): void {
    this.renewKeys(now);
    writeUint32(target, offset, LINK_LOCAL);
    writeUint32(target, offset + 4, 0);
    writeUint32(target, offset + 8, hash(this.current.high, b, client));
    writeUint32(target, offset + 12, hash(this.current.low, b, client));
  }

  /** Whether the address at `b[proof]` is one that was made lately for the client whose address stands at `b[client]`. */
  holds(b: Uint8Array, proof: number, client: number, now: number): boolean {
    if (readUint32(b, proof) !== LINK_LOCAL || readUint32(b, proof + 4) !== 0) return false;
    this.renewKeys(now);
    return isMadeBy(this.current, b, proof, client) || isMadeBy(this.previous, b, proof, client);
  }

  private renewKeys(now: number): void {
    const age = now - this.bornAt;
    if (age < KEY_LIFETIME_MS) return;
    const fresh = makeKeyPair(this.entropy);
    this.previous = age < 2 * KEY_LIFETIME_MS ? this.current : fresh;
    this.current = fresh;
    this.bornAt = now;
  }
}

interface KeyPair {
  readonly high: HashKey;
  readonly low: HashKey;
}

const LINK_LOCAL = 0xfe800000;

/** 2 and 4 rounds: here the hash has to keep its secret from who sees many of its values. */
function makeKeyPair(entropy: Entropy): KeyPair {
  return { high: new HashKey(entropy, 2, 4), low: new HashKey(entropy, 2, 4) };
}

function isMadeBy(keys: KeyPair, b: Uint8Array, proof: number, client: number): boolean {
  return (
    readUint32(b, proof + 8) === hash(keys.high, b, client) &&
    readUint32(b, proof + 12) === hash(keys.low, b, client)
  );
}

function hash(key: HashKey, b: Uint8Array, o: number): number {
  return key.of4(readUint32(b, o), readUint32(b, o + 4), readUint32(b, o + 8), readUint32(b, o + 12));
}
