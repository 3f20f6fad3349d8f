import { Memory } from '../libc.ts';
import { check, libbpf } from './libbpf.ts';
import { possibleProcessors } from './processors.ts';
import { LIMITS, LIMIT_HIT, LIMIT_SLOTS } from './server-layout.ts';

type LimitKey = keyof typeof LIMITS;

/** How often a limit was reached, and the IPv4 addresses that reached it most. */
export interface ReachedLimit {
  readonly limit: LimitKey;
  readonly times: number;
  /** A lower bound for each; all of them together are at most `times`. */
  readonly addresses: readonly { readonly address: number; readonly times: number }[];
}

/** The part of a slot of one processor that has been taken. */
interface Taken {
  /** Hits of the slot that were taken. */
  times: number;
  address: number;
  /** Hits of the address, of which `times` includes all. */
  timesOfAddress: number;
}

/** The program's record of limits that were reached. The program writes its counts while they are read, so nothing is written here. */
export class LimitMap {
  private readonly fd: number;
  private readonly key = new Memory(4);
  private readonly values: Memory;
  private readonly processors = possibleProcessors();
  private readonly taken: readonly Taken[];

  constructor(fd: number) {
    this.fd = fd;
    this.values = new Memory(LIMIT_HIT.SIZE * this.processors);
    const slots = Object.keys(LIMITS).length * LIMIT_SLOTS;
    this.taken = Array.from({ length: slots * this.processors }, () => ({
      times: 0,
      address: 0,
      timesOfAddress: 0,
    }));
  }

  /** The hits since the previous call. Throws a SystemCallError. */
  take(): ReachedLimit[] {
    return (Object.keys(LIMITS) as LimitKey[])
      .map((limit) => this.takeLimit(limit))
      .filter(({ times }) => times > 0);
  }

  private takeLimit(limit: LimitKey): ReachedLimit {
    let times = 0;
    const byAddress = new Map<number, number>();
    const first = LIMITS[limit] * LIMIT_SLOTS;
    for (let slot = first; slot < first + LIMIT_SLOTS; slot++) {
      this.read(slot);
      for (let processor = 0; processor < this.processors; processor++) {
        const hits = this.takeSlot(slot, processor);
        times += hits.times;
        if (hits.ofAddress > 0)
          byAddress.set(hits.address, (byAddress.get(hits.address) ?? 0) + hits.ofAddress);
      }
    }
    const addresses = [...byAddress].map(([address, ofAddress]) => ({ address, times: ofAddress }));
    return { limit, times, addresses };
  }

  private takeSlot(slot: number, processor: number): { times: number; address: number; ofAddress: number } {
    const { view } = this.values;
    const at = LIMIT_HIT.SIZE * processor;
    const times = Number(view.getBigUint64(at + LIMIT_HIT.times, true));
    const address = view.getUint32(at + LIMIT_HIT.address);
    const timesOfAddress = Number(view.getBigUint64(at + LIMIT_HIT.timesOfAddress, true));
    const taken = this.taken[slot * this.processors + processor]!;
    // The address has lost the slot and got it back when its count is less than before.
    const isSame = address === taken.address && timesOfAddress >= taken.timesOfAddress;
    const ofAddress = timesOfAddress - (isSame ? taken.timesOfAddress : 0);
    // The count of the slot is read first: a hit that came between the two is in the count of the address only, and is counted now.
    const all = Math.max(times - taken.times, ofAddress);
    taken.times += all;
    taken.address = address;
    taken.timesOfAddress = timesOfAddress;
    return { times: all, address, ofAddress };
  }

  private read(slot: number): void {
    this.key.view.setUint32(0, slot, true);
    check('bpf_map_lookup_elem', libbpf().lookup(this.fd, this.key.address, this.values.address));
  }
}
