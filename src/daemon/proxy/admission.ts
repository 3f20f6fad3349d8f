import { formatIpv4, isTeredo, mappedAddressOf } from '../../wire/index.ts';

/** A place for one connection; `leave` gives it back, and is harmless when repeated. */
export interface Place {
  readonly leave: () => void;
}

/**
 * Shares a number of places among sources. When all are taken, a source with fewer places than another gets one of the other's: the one that was taken
 * last.
 */
export class Admission {
  private readonly most: number;
  /** By source the ends of its connections, in the order of their beginning. */
  private readonly taken = new Map<string, Set<() => void>>();
  private count = 0;

  constructor(most: number) {
    this.most = most;
  }

  /** Undefined: there is no place for this source. `end`: ends the connection, when another source gets its place. */
  admit(source: string, end: () => void): Place | undefined {
    if (this.count >= this.most && !this.makeRoom(source)) return undefined;
    const own = this.taken.get(source) ?? new Set();
    this.taken.set(source, own.add(end));
    this.count++;
    return { leave: () => this.leave(source, end) };
  }

  private makeRoom(source: string): boolean {
    const own = this.taken.get(source)?.size ?? 0;
    const [largest, ends] = [...this.taken].reduce((a, b) => (b[1].size > a[1].size ? b : a));
    if (ends.size <= own + 1) return false;
    const end = [...ends].at(-1)!;
    this.leave(largest, end);
    end();
    return true;
  }

  private leave(source: string, end: () => void): void {
    const own = this.taken.get(source);
    if (own?.delete(end) !== true) return;
    this.count--;
    if (own.size === 0) this.taken.delete(source);
  }
}

/** The source of a host's connections: an IPv4 address, a /64, or the mapped IPv4 address of a Teredo client. `address`: 4 or 16 octets. */
export function sourceOf(address: Uint8Array): string {
  if (address.length === 4) return address.join('.');
  // The clients of one Teredo server share a /64.
  return isTeredo(address, 0) ? formatIpv4(mappedAddressOf(address, 0)) : address.subarray(0, 8).join('.');
}
