import type { Endpoint } from '../../wire/index.ts';

interface Share {
  readonly worker: number;
  peers: number;
}

/**
 * Which worker has the peers at an outer address and port: all of them the same one, because the kernel merges datagrams of one sender, and a relay
 * sends those of many native hosts. A new pair is given to the worker with the fewest, and the first thread, which has more to do, comes last.
 */
export class PairShares {
  private readonly shares = new Map<number, Share>();
  /** Of each worker. */
  private readonly pairs: number[];

  constructor(workers: number) {
    this.pairs = Array.from({ length: workers }, () => 0);
  }

  /** For one more peer at this pair. */
  take(pair: Endpoint): number {
    const key = keyOf(pair);
    let share = this.shares.get(key);
    if (share === undefined) {
      const worker = this.pairs.lastIndexOf(Math.min(...this.pairs));
      share = { worker, peers: 0 };
      this.shares.set(key, share);
      this.pairs[worker]!++;
    }
    share.peers++;
    return share.worker;
  }

  /** One peer less at this pair. */
  release(pair: Endpoint): void {
    const key = keyOf(pair);
    const share = this.shares.get(key);
    if (share === undefined || --share.peers > 0) return;
    this.shares.delete(key);
    this.pairs[share.worker]!--;
  }
}

function keyOf({ address, port }: Endpoint): number {
  return address * 0x10000 + port;
}
