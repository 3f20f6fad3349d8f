import type { PeerStatus } from './status.ts';

/** `traffic`: those with the most octets first; `heard`: those heard last first. */
export const PEER_ORDERS = ['traffic', 'heard'] as const;
export type PeerOrder = (typeof PEER_ORDERS)[number];

/** The first peers in this order. */
export function firstPeers(peers: readonly PeerStatus[], order: PeerOrder, count: number): PeerStatus[] {
  return peers.toSorted((a, b) => rankOf(b, order) - rankOf(a, order)).slice(0, count);
}

/** The place of a peer in an order: later ones have a lower rank, or the same and a greater address. */
interface Place {
  readonly rank: number;
  readonly address: string;
}

/** Selects the first peers of a list that is walked a few at a time, and keeps no others. */
export class FirstPeers {
  private readonly order: PeerOrder;
  private readonly count: number;
  private readonly after: Place | undefined;
  /** The first one stands first. */
  private readonly found: (Place & { readonly peer: PeerStatus })[] = [];
  private hasMore = false;

  /** `after`: {@link next} of the peers before; undefined for the first ones. */
  constructor(order: PeerOrder, count: number, after?: string) {
    this.order = order;
    this.count = count;
    this.after = after === undefined ? undefined : placeIn(after);
  }

  get peers(): readonly PeerStatus[] {
    return this.found.map(({ peer }) => peer);
  }

  /** A text for the peers behind these; undefined where there are none. */
  get next(): string | undefined {
    const last = this.hasMore ? this.found.at(-1) : undefined;
    return last === undefined ? undefined : `${last.rank},${last.address}`;
  }

  /** `now`: milliseconds, on the same clock for all pages. */
  add(peer: PeerStatus, now: number): void {
    const { found, count } = this;
    const added = { peer, rank: lastingRank(peer, this.order, now), address: peer.address };
    if (this.after !== undefined && !isBefore(this.after, added)) return;
    const last = found.at(-1);
    if (found.length >= count) this.hasMore = true;
    if (found.length >= count && (last === undefined || !isBefore(added, last))) return;
    let [low, high] = [0, found.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(found[middle]!, added)) low = middle + 1;
      else high = middle;
    }
    found.splice(low, 0, added);
    if (found.length > count) found.pop();
  }
}

export function isPlace(text: string): boolean {
  return /^-?\d{1,16},[\da-f:.]{2,45}$/i.test(text);
}

function placeIn(text: string): Place {
  const [rank, address] = text.split(',');
  return { rank: Number(rank), address: address! };
}

function isBefore(one: Place, other: Place): boolean {
  return one.rank === other.rank ? one.address < other.address : one.rank > other.rank;
}

/** Never heard: before all times. */
const NEVER = -1e15;

/** A rank that does not change while nothing comes: of the time, and not of the age. */
function lastingRank(peer: PeerStatus, order: PeerOrder, now: number): number {
  if (order === 'traffic') return rankOf(peer, order);
  const { receivedSecondsAgo } = peer;
  return receivedSecondsAgo === undefined
    ? NEVER
    : Math.round(now / 100) - Math.round(receivedSecondsAgo * 10);
}

function rankOf({ receivedBytes, sentBytes, receivedSecondsAgo }: PeerStatus, order: PeerOrder): number {
  if (order === 'traffic') return receivedBytes + sentBytes;
  return receivedSecondsAgo === undefined ? -Number.MAX_VALUE : -receivedSecondsAgo;
}
