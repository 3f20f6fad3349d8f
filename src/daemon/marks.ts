/** A set of small whole numbers: a bit for each number up to the greatest one. */
export class Marks {
  private bits = new Uint8Array(1 << 10);

  /** False if it was in the set before. */
  add(number: number): boolean {
    if (this.has(number)) return false;
    const at = number >>> 3;
    if (at >= this.bits.length) this.grow(at);
    this.bits[at]! |= 1 << (number & 7);
    return true;
  }

  has(number: number): boolean {
    return ((this.bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  private grow(at: number): void {
    const { bits } = this;
    this.bits = new Uint8Array(Math.max(2 * bits.length, at + 1));
    this.bits.set(bits);
  }
}
