import type { PeerStatus } from './status.ts';

/** `traffic`: those with the most octets first; `heard`: those heard last first. */
export const PEER_ORDERS = ['traffic', 'heard'] as const;
export type PeerOrder = (typeof PEER_ORDERS)[number];

/** The first peers in this order. */
export function firstPeers(peers: readonly PeerStatus[], order: PeerOrder, count: number): PeerStatus[] {
  return peers.toSorted((a, b) => rankOf(b, order) - rankOf(a, order)).slice(0, count);
}

/** A peer as far as its place depends on it. The rest costs more, and is made of the first ones only. */
export interface RankedPeer {
  /** In both directions. */
  readonly octets: number;
  /** Milliseconds, on the same clock for all pages; -Infinity: never. */
  readonly receivedAt: number;
  /** Asked for at once, or never. */
  address(): string;
  /** Of the peer with this address; undefined: it has gone meanwhile. */
  status(address: string): PeerStatus | undefined;
}

/** The place of a peer in an order: later ones have a lower rank, or the same and a greater address. */
interface Place {
  readonly rank: number;
  readonly address: string;
}

class Candidate implements Place {
  readonly rank: number;
  readonly peer: RankedPeer;
  private text: string | undefined;

  constructor(peer: RankedPeer, rank: number) {
    this.peer = peer;
    this.rank = rank;
  }

  get address(): string {
    return (this.text ??= this.peer.address());
  }

  keep(): void {
    this.text ??= this.peer.address();
  }
}

/** Selects the first peers of a list that is walked a few at a time, and keeps no others. */
export class FirstPeers {
  private readonly order: PeerOrder;
  private readonly count: number;
  private readonly after: Place | undefined;
  /** At most twice as many as are wanted, and {@link last} of the wanted ones when they were sorted last. */
  private readonly found: Candidate[] = [];
  private last: Candidate | undefined;
  private hasMore = false;

  /** `after`: {@link next} of the peers before; undefined for the first ones. */
  constructor(order: PeerOrder, count: number, after?: string) {
    this.order = order;
    this.count = count;
    this.after = after === undefined ? undefined : placeIn(after);
  }

  /** Each is made when it is taken. */
  *peers(): Generator<PeerStatus> {
    this.trim();
    for (const { peer, address } of this.found) {
      const status = peer.status(address);
      if (status !== undefined) yield status;
    }
  }

  /** A text for the peers behind these; undefined where there are none. */
  get next(): string | undefined {
    this.trim();
    const last = this.hasMore ? this.found.at(-1) : undefined;
    return last === undefined ? undefined : `${last.rank},${last.address}`;
  }

  add(peer: RankedPeer): void {
    const added = new Candidate(peer, lastingRank(peer, this.order));
    if (this.after !== undefined && !isBefore(this.after, added)) return;
    if (this.last !== undefined && !isBefore(added, this.last)) {
      this.hasMore = true;
      return;
    }
    added.keep();
    this.found.push(added);
    if (this.found.length >= 2 * this.count) this.trim();
  }

  private trim(): void {
    const { found, count } = this;
    found.sort((one, other) => (isBefore(one, other) ? -1 : 1));
    if (found.length > count) this.hasMore = true;
    found.length = Math.min(found.length, count);
    if (found.length === count) this.last = found.at(-1);
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
function lastingRank({ octets, receivedAt }: RankedPeer, order: PeerOrder): number {
  if (order === 'traffic') return octets;
  return receivedAt === -Infinity ? NEVER : Math.round(receivedAt);
}

function rankOf({ receivedBytes, sentBytes, receivedSecondsAgo }: PeerStatus, order: PeerOrder): number {
  if (order === 'traffic') return receivedBytes + sentBytes;
  return receivedSecondsAgo === undefined ? -Number.MAX_VALUE : -receivedSecondsAgo;
}
