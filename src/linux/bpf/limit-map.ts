import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';
import { LIMITS, LIMIT_HIT, LIMIT_SLOTS } from './server-layout.ts';

/** How often a limit was reached, and the IPv4 addresses that reached it most. */
export interface ReachedLimit {
  readonly limit: keyof typeof LIMITS;
  readonly times: number;
  /** A lower bound for each. */
  readonly addresses: readonly { readonly address: number; readonly times: number }[];
}

/** The program's record of limits that were reached. */
export class LimitMap {
  private readonly fd: number;
  private readonly key = new Memory(4);
  private readonly value = new Memory(LIMIT_HIT.SIZE);
  private readonly zeros = new Memory(LIMIT_HIT.SIZE);
  private readonly before = new Map<string, number>();

  constructor(fd: number) {
    this.fd = fd;
  }

  /** The hits since the previous call. Throws a SystemCallError. */
  take(): ReachedLimit[] {
    const reached: ReachedLimit[] = [];
    for (const [limit, number] of Object.entries(LIMITS) as [keyof typeof LIMITS, number][]) {
      const first = number * (LIMIT_SLOTS + 1);
      const { times: now } = this.read(first + LIMIT_SLOTS);
      const times = now - (this.before.get(limit) ?? 0);
      if (times <= 0) continue;
      this.before.set(limit, now);
      reached.push({ limit, times, addresses: this.takeAddresses(first) });
    }
    return reached;
  }

  private takeAddresses(first: number): { address: number; times: number }[] {
    const addresses: { address: number; times: number }[] = [];
    for (let slot = first; slot < first + LIMIT_SLOTS; slot++) {
      const hit = this.read(slot);
      if (hit.times === 0) continue;
      // Where a processor has counted while the slot was emptied, it holds a number of no address.
      if (hit.address !== 0) addresses.push(hit);
      check('bpf_map_update_elem', libbpf().update(this.fd, this.key.address, this.zeros.address, 0));
    }
    return addresses;
  }

  private read(index: number): { address: number; times: number } {
    const { key, value } = this;
    key.view.setUint32(0, index, true);
    check('bpf_map_lookup_elem', libbpf().lookup(this.fd, key.address, value.address));
    return {
      times: Number(value.view.getBigUint64(LIMIT_HIT.times, true)),
      address: value.view.getUint32(LIMIT_HIT.address),
    };
  }
}
