import type { PeerStatus } from './status.ts';

/** `traffic`: those with the most octets first; `heard`: those heard last first. */
export const PEER_ORDERS = ['traffic', 'heard'] as const;
export type PeerOrder = (typeof PEER_ORDERS)[number];

/** The first peers in this order. */
export function firstPeers(peers: readonly PeerStatus[], order: PeerOrder, count: number): PeerStatus[] {
  return peers.toSorted((a, b) => rankOf(b, order) - rankOf(a, order)).slice(0, count);
}

/** Selects the first peers of a list that is walked a few at a time, and keeps no others. */
export class FirstPeers {
  private readonly order: PeerOrder;
  private readonly count: number;
  /** The first one stands first. */
  private readonly found: PeerStatus[] = [];

  constructor(order: PeerOrder, count: number) {
    this.order = order;
    this.count = count;
  }

  get peers(): readonly PeerStatus[] {
    return this.found;
  }

  add(peer: PeerStatus): void {
    const { found, count } = this;
    const rank = rankOf(peer, this.order);
    const last = found.at(-1);
    if (found.length >= count && (last === undefined || rank <= rankOf(last, this.order))) return;
    let [low, high] = [0, found.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (rankOf(found[middle]!, this.order) >= rank) low = middle + 1;
      else high = middle;
    }
    found.splice(low, 0, peer);
    if (found.length > count) found.pop();
  }
}

function rankOf({ receivedBytes, sentBytes, receivedSecondsAgo }: PeerStatus, order: PeerOrder): number {
  if (order === 'traffic') return receivedBytes + sentBytes;
  return receivedSecondsAgo === undefined ? -Number.MAX_VALUE : -receivedSecondsAgo;
}
