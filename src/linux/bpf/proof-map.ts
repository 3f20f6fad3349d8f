import { Memory } from '../libc.ts';
import { PROOF, WAY } from './layout.ts';
import { libbpf } from './libbpf.ts';

const KEY = 16;

/** Octets of a proof's nonce. */
export const PROOF_NONCE_LENGTH = PROOF.answered - PROOF.nonce;

/** Proofs under way, by the peer's address. The programs look up answers here. */
export class ProofMap {
  private readonly fd: number;
  private readonly lib = libbpf();
  private readonly key = new Memory(KEY);
  private readonly value = new Memory(PROOF.SIZE);

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Begins a proof; false if there is no room. */
  begin(peer: Uint8Array, nonce: Uint8Array): boolean {
    this.key.bytes.set(peer);
    this.value.bytes.fill(0);
    this.value.bytes.set(nonce, PROOF.nonce);
    return this.lib.update(this.fd, this.key.address, this.value.address, 0) === 0;
  }

  /** The best way in which the peer has answered; `WAY.inward`: none. */
  answered(peer: Uint8Array): typeof WAY.inward | typeof WAY.checked | typeof WAY.bare {
    this.key.bytes.set(peer);
    if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) return WAY.inward;
    const ways = this.value.bytes[PROOF.answered]!;
    if ((ways & (1 << WAY.bare)) !== 0) return WAY.bare;
    return (ways & (1 << WAY.checked)) !== 0 ? WAY.checked : WAY.inward;
  }

  /** Harmless if there is none. */
  end(peer: Uint8Array): void {
    this.key.bytes.set(peer);
    this.lib.delete(this.fd, this.key.address);
  }
}
