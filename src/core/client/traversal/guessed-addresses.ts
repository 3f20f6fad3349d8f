/** How many are kept. */
const LIMIT = 256;

/** IPv4 addresses of the last peers that were reached by a guess. With these a guess is offered at once. */
export class GuessedAddresses {
  private readonly addresses = new Set<number>();

  get isEmpty(): boolean {
    return this.addresses.size === 0;
  }

  has(address: number): boolean {
    return this.addresses.has(address);
  }

  add(address: number): void {
    this.addresses.delete(address); // becomes the newest again
    this.addresses.add(address);
    for (const oldest of this.addresses) {
      if (this.addresses.size <= LIMIT) break;
      this.addresses.delete(oldest);
    }
  }

  clear(): void {
    this.addresses.clear();
  }
}
