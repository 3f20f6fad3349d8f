import type { Ipv4 } from '../../wire/index.ts';

/**
 * Places for proofs under way, shared by the IPv4 addresses that they go to: where all are taken, an address gets one of those of the address that
 * has most. In constant time, however many ask.
 */
export class ProofShares {
  private readonly most: number;
  private taken = 0;
  /** The names of an address's proofs, the oldest first. */
  private readonly byAddress = new Map<Ipv4, Set<string>>();
  /** The addresses that have so many. */
  private readonly byCount: Set<Ipv4>[] = [];
  private highest = 0;

  constructor(most: number) {
    this.most = most;
  }

  get isFull(): boolean {
    return this.taken >= this.most;
  }

  /** How many an address has. */
  of(address: Ipv4): number {
    return this.byAddress.get(address)?.size ?? 0;
  }

  /** The oldest proof of the address that has most; undefined where this address would then have as many as that one, or more. */
  oldestForAnother(address: Ipv4): string | undefined {
    if (this.highest <= this.of(address) + 1) return undefined;
    const [richest] = this.byCount[this.highest]!;
    const [oldest] = this.byAddress.get(richest!)!;
    return oldest;
  }

  add(address: Ipv4, name: string): void {
    const names = this.byAddress.get(address) ?? new Set();
    this.byAddress.set(address, names);
    this.byCount[names.size]?.delete(address);
    names.add(name);
    (this.byCount[names.size] ??= new Set()).add(address);
    this.highest = Math.max(this.highest, names.size);
    this.taken++;
  }

  remove(address: Ipv4, name: string): void {
    const names = this.byAddress.get(address)!;
    this.byCount[names.size]!.delete(address);
    names.delete(name);
    if (names.size > 0) this.byCount[names.size]!.add(address);
    else this.byAddress.delete(address);
    while (this.highest > 0 && this.byCount[this.highest]!.size === 0) this.highest--;
    this.taken--;
  }
}
