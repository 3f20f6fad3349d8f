/** Packets of the host to and from a peer, and their octets, since the peer is known. Bubbles and tests do not count. */
export interface PeerTraffic {
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
}

/** Packets that the kernel path has carried and not reported yet. */
export interface UnreportedTraffic extends PeerTraffic {
  /** Time (ms) of the last packet of the peer that it has carried. */
  readonly lastAt: number;
}

/** The sum of two. */
export function addTraffic(a: PeerTraffic, b: PeerTraffic): PeerTraffic {
  return {
    receivedPackets: a.receivedPackets + b.receivedPackets,
    receivedBytes: a.receivedBytes + b.receivedBytes,
    sentPackets: a.sentPackets + b.sentPackets,
    sentBytes: a.sentBytes + b.sentBytes,
  };
}

export const NO_TRAFFIC: PeerTraffic = {
  receivedPackets: 0,
  receivedBytes: 0,
  sentPackets: 0,
  sentBytes: 0,
};

/** Peers in a page, and numbers for each peer: the columns of {@link PeerTraffic} in their order. */
const PAGE = 256;
const COLUMNS = 4;

type Page = Uint16Array | Uint32Array | Float64Array;

/**
 * The traffic of the peers of a table, by slot, in pages that are allocated with the first packet. Most peers of a large table have had few
 * packets: the numbers of a page have 16 bits each, so that a peer takes 8 octets, until one of them needs 32 bits, or more.
 */
export class TrafficCounts {
  private readonly pages: (Page | undefined)[] = [];

  /** Of all pages. */
  get byteLength(): number {
    return this.pages.reduce((sum, page) => sum + (page?.byteLength ?? 0), 0);
  }

  countReceived(slot: number, bytes: number, packets: number): void {
    this.add(slot, 0, packets, bytes);
  }

  countSent(slot: number, bytes: number, packets: number): void {
    this.add(slot, 2, packets, bytes);
  }

  of(slot: number): PeerTraffic {
    const page = this.pages[Math.floor(slot / PAGE)];
    if (page === undefined) return NO_TRAFFIC;
    const at = (slot % PAGE) * COLUMNS;
    return {
      receivedPackets: page[at]!,
      receivedBytes: page[at + 1]!,
      sentPackets: page[at + 2]!,
      sentBytes: page[at + 3]!,
    };
  }

  /** The slot belongs to another peer from now on. */
  reset(slot: number): void {
    const at = (slot % PAGE) * COLUMNS;
    this.pages[Math.floor(slot / PAGE)]?.fill(0, at, at + COLUMNS);
  }

  private add(slot: number, column: number, packets: number, bytes: number): void {
    if (packets === 0) return;
    const number = Math.floor(slot / PAGE);
    let page = (this.pages[number] ??= new Uint16Array(PAGE * COLUMNS));
    const at = (slot % PAGE) * COLUMNS + column;
    const [allPackets, allBytes] = [page[at]! + packets, page[at + 1]! + bytes];
    while (Math.max(allPackets, allBytes) > mostOf(page)) page = this.pages[number] = wider(page);
    page[at] = allPackets;
    page[at + 1] = allBytes;
  }
}

function mostOf(page: Page): number {
  if (page.BYTES_PER_ELEMENT === 2) return 0xffff;
  return page.BYTES_PER_ELEMENT === 4 ? 0xffffffff : Infinity;
}

function wider(page: Page): Page {
  return page.BYTES_PER_ELEMENT === 2 ? new Uint32Array(page) : new Float64Array(page);
}
