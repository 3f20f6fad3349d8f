import type { Entropy } from '../entropy.ts';
import { HashKey } from '../hash.ts';
import { readUint32, writeUint32 } from '../../wire/index.ts';

/** For this time a key makes addresses; for twice this time they are accepted. A contact takes far less. */
const KEY_LIFETIME_MS = 60_000;

/**
 * Makes the source addresses of a relay's bubbles: fe80:: and a keyed hash of the client's address. A client that sends a
 * bubble to that address has received the relay's bubble, so it can be reached at the mapping in its Teredo address. A sender that only
 * forges the client's mapped address does not know it. The relay keeps no state for this: like a SYN cookie it still works when the
 * peer has been removed from the table.
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

  /** Writes the link-local address made for the client with the address at `b[client]`. */
  write(b: Uint8Array, client: number, target: Uint8Array, offset: number, now: number): void {
    this.renewKeys(now);
    writeUint32(target, offset, LINK_LOCAL);
    writeUint32(target, offset + 4, 0);
    writeUint32(target, offset + 8, hash(this.current.high, b, client));
    writeUint32(target, offset + 12, hash(this.current.low, b, client));
  }

  /** Whether the address at `b[proof]` was made, with a key still accepted, for the client with the address at `b[client]`. */
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

/** 2 and 4 rounds: an attacker sees many values of this hash and must not learn its key. */
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
