/** The rows of the table of peers: out of the answers of the daemon, with rates, in an order. */
import type { PeerStatus } from '../control/status.ts';
import { meansInWords, pathInWords } from '../control/words.ts';

export interface PeerRow {
  readonly address: string;
  /** How it is reached, or that it is not verified. */
  readonly means: string;
  readonly path: string;
  /** Octets per second; undefined until a second answer. */
  readonly receiveRate: number | undefined;
  readonly sendRate: number | undefined;
  readonly received: number;
  readonly sent: number;
  /** Seconds since its last packet; undefined where there was none. */
  readonly heard: number | undefined;
}

export type PeerColumn = keyof PeerRow;

export interface PeerOrder {
  readonly column: PeerColumn;
  readonly descending: boolean;
}

interface Known {
  receivedBytes: number;
  sentBytes: number;
  /** The answer in which it was last. */
  answer: number;
}

/** Rows that are made in one piece. */
const AT_ONCE = 1_000;

/** Rates of peers between two answers. */
export class PeerRates {
  private readonly known = new Map<string, Known>();
  private lastMs = 0;
  private answer = 0;

  /** The rows of an answer that came at this time. `rest`: waited for now and then, so that the page can draw meanwhile. */
  async rows(peers: readonly PeerStatus[], ms: number, rest: () => Promise<void>): Promise<PeerRow[]> {
    const seconds = (ms - this.lastMs) / 1_000;
    this.lastMs = ms;
    const answer = ++this.answer;
    const rows: PeerRow[] = [];
    for (const [i, peer] of peers.entries()) {
      if (i % AT_ONCE === AT_ONCE - 1) await rest();
      rows.push(this.row(peer, seconds, answer));
    }
    if (this.known.size > peers.length) this.forget(answer);
    return rows;
  }

  private row(peer: PeerStatus, seconds: number, answer: number): PeerRow {
    const { address, receivedBytes, sentBytes } = peer;
    const before = this.known.get(address);
    const isKnown = before !== undefined && seconds > 0;
    const row: PeerRow = {
      address,
      means: meansOf(peer),
      path: pathInWords(peer),
      receiveRate: isKnown ? Math.max(0, receivedBytes - before.receivedBytes) / seconds : undefined,
      sendRate: isKnown ? Math.max(0, sentBytes - before.sentBytes) / seconds : undefined,
      received: receivedBytes,
      sent: sentBytes,
      heard: peer.receivedSecondsAgo,
    };
    if (before === undefined) this.known.set(address, { receivedBytes, sentBytes, answer });
    else Object.assign(before, { receivedBytes, sentBytes, answer });
    return row;
  }

  private forget(answer: number): void {
    for (const [address, known] of this.known) if (known.answer !== answer) this.known.delete(address);
  }
}

function meansOf({ trusted, means, local }: PeerStatus): string {
  if (!trusted) return 'not verified yet';
  if (means !== undefined) return meansInWords(means);
  return local ? 'verified, local' : 'verified';
}

/** The rows whose address has this part, in this order. Absent values are last in either direction. */
export function arrange(rows: readonly PeerRow[], order: PeerOrder, part: string): PeerRow[] {
  const wanted = part.trim().toLowerCase();
  const found = wanted === '' ? rows.slice() : rows.filter(({ address }) => address.includes(wanted));
  const { column, descending } = order;
  const sign = descending ? -1 : 1;
  return found.sort((a, b) => {
    const [x, y] = [a[column], b[column]];
    if (x === y) return a.address < b.address ? -1 : 1;
    if (x === undefined) return 1;
    if (y === undefined) return -1;
    return x < y ? -sign : sign;
  });
}

/** The order after a choice of this column: numbers begin with the largest, another choice turns the order. */
export function nextOrder(order: PeerOrder, column: PeerColumn): PeerOrder {
  if (order.column === column) return { column, descending: !order.descending };
  return { column, descending: !ASCENDING_FIRST.has(column) };
}

const ASCENDING_FIRST: ReadonlySet<PeerColumn> = new Set(['address', 'means', 'path', 'heard']);
