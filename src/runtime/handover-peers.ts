/** Trusted peers in the state that a role leaves to its successor. */
import type { KnownPeer } from '../core/known-peer.ts';
import { TRUSTED } from '../core/peer-table.ts';
import type { PeerTable } from '../core/peer-table.ts';

/**
 * Octets of a record: IPv6 address, mapped address and port, marks, kind, and how long ago (ms) the peer was last heard and sent to. A later record
 * about the same peer replaces the one before.
 */
export const RECORD = 32;
const [MAPPED_ADDRESS, MAPPED_PORT, MARKS, KIND, HEARD, SENT] = [16, 20, 22, 23, 24, 28];
/** A trusted peer; one that is trusted no more; the end of the records. */
const [PEER, LEFT, END] = [0, 1, 2];
const NEVER = 0xffff_ffff;
/** What the parts have of a slot: its peer; and whether it has changed since. */
const [IN_A_PART, CHANGED] = [1, 2];
/** Slots of the table that are looked at for one part of the state: less than a millisecond's work. */
export const SLOTS_A_PART = 1_024;

type MarksOf = (peer: number) => number | undefined;

/**
 * The trusted peers at the moment of the last part. Each part is made when it is taken; peers may come, change and leave in between. `marksOf`: the
 * marks of a peer ({@link KnownPeer}); undefined: the peer is left out.
 */
export class PeerRecords {
  private readonly peers: PeerTable;
  private readonly now: number;
  private readonly marksOf: MarksOf;
  /** Slots before this one have been looked at; those of them that have changed since; and the addresses of peers that have left. */
  private next = 0;
  private changed: number[] = [];
  private left: Uint8Array[] = [];
  /** By slot. No slot is twice in `changed`, and only peers of a part are in `left`: so neither becomes longer than the table, however often peers come and leave. */
  private told = new Uint8Array(0);

  /** `now`: the moment to which ages refer. Until {@link end} no others may be made of this table. */
  constructor(peers: PeerTable, now: number, marksOf: MarksOf = () => 0) {
    this.peers = peers;
    this.now = now;
    this.marksOf = marksOf;
    peers.onTrust = (peer, isTrusted) => this.note(peer, isTrusted);
  }

  /** Whether only those are left that have changed meanwhile. */
  get isWalked(): boolean {
    return this.next >= this.peers.slots;
  }

  /** Some of the peers. */
  part(): Uint8Array {
    const from = this.next;
    this.next = Math.min(this.peers.slots, from + SLOTS_A_PART);
    const { left, changed } = this;
    [this.left, this.changed] = [[], []];
    this.growTo(this.next);
    const part = new Part(left.length + changed.length + this.next - from);
    // First: a peer may have left and come again.
    for (const address of left) part.addLeft(address);
    for (const peer of changed) this.addTo(part, peer, true);
    for (let peer = from; peer < this.next; peer++) this.addTo(part, peer);
    return part.bytes;
  }

  /** All that are left, and the end. */
  end(): Uint8Array[] {
    const parts: Uint8Array[] = [];
    do parts.push(this.part());
    while (!this.isWalked);
    this.cancel();
    return [...parts, END_RECORD];
  }

  /** No more parts are taken. */
  cancel(): void {
    this.peers.onTrust = undefined;
  }

  private note(peer: number, isTrusted: boolean): void {
    if (peer >= this.next) return;
    const told = this.told[peer]!;
    if (isTrusted) {
      if ((told & CHANGED) === 0) this.changed.push(peer);
      this.told[peer] = told | CHANGED;
    } else if ((told & IN_A_PART) !== 0) {
      this.left.push(this.peers.address(peer));
      this.told[peer] = told & ~IN_A_PART;
    }
  }

  private growTo(slots: number): void {
    if (slots <= this.told.length) return;
    const told = new Uint8Array(Math.max(this.peers.slots, slots));
    told.set(this.told);
    this.told = told;
  }

  /** `isAgain`: it may be in an earlier part. */
  private addTo(part: Part, peer: number, isAgain = false): void {
    const { peers, now, told } = this;
    told[peer]! &= ~CHANGED;
    if (peers.status[peer] !== TRUSTED) return;
    const marks = this.marksOf(peer);
    if (marks !== undefined) {
      part.addPeer(peers, peer, marks, now);
      told[peer]! |= IN_A_PART;
    } else if (isAgain) part.addLeft(peers.address(peer));
  }
}

class Part {
  private readonly all: Uint8Array;
  private readonly view: DataView;
  private end = 0;

  constructor(most: number) {
    this.all = new Uint8Array(RECORD * most);
    this.view = new DataView(this.all.buffer);
  }

  get bytes(): Uint8Array {
    return this.all.subarray(0, this.end);
  }

  addLeft(address: Uint8Array): void {
    this.all.set(address, this.end);
    this.all[this.end + KIND] = LEFT;
    this.end += RECORD;
  }

  addPeer(peers: PeerTable, peer: number, marks: number, now: number): void {
    const { view, end: at } = this;
    peers.writeAddress(peer, this.all, at);
    view.setUint32(at + MAPPED_ADDRESS, peers.mappedAddress[peer]!);
    view.setUint16(at + MAPPED_PORT, peers.mappedPort[peer]!);
    view.setUint8(at + MARKS, marks);
    view.setUint8(at + KIND, PEER);
    view.setUint32(at + HEARD, ageOf(peers.lastReceived.at(peer), now));
    view.setUint32(at + SENT, ageOf(peers.lastSent.at(peer), now));
    this.end += RECORD;
  }
}

const END_RECORD = new Uint8Array(RECORD);
END_RECORD[KIND] = END;

/** The offset behind the records that begin at `start`; undefined: they do not end. */
export function endOfPeers(state: Uint8Array, start: number): number | undefined {
  for (let at = start; at + RECORD <= state.length; at += RECORD)
    if (state[at + KIND] === END) return at + RECORD;
  return undefined;
}

/** The records from an offset on. `writtenAt`: the time to which ages refer, on this process's clock. */
export function* readPeers(state: Uint8Array, start: number, writtenAt: number): Generator<KnownPeer> {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  for (let at = start; at + RECORD <= state.length && state[at + KIND] !== END; at += RECORD) {
    yield {
      address: state.slice(at, at + 16),
      mappedAddress: view.getUint32(at + MAPPED_ADDRESS),
      mappedPort: view.getUint16(at + MAPPED_PORT),
      lastReceived: instantOf(view.getUint32(at + HEARD), writtenAt),
      lastSent: instantOf(view.getUint32(at + SENT), writtenAt),
      marks: view.getUint8(at + MARKS),
      hasLeft: state[at + KIND] === LEFT,
    };
  }
}

export function ageOf(instant: number, now: number): number {
  return Math.min(NEVER, Math.max(0, Math.round(now - instant)));
}

export function instantOf(age: number, writtenAt: number): number {
  return age === NEVER ? -Infinity : writtenAt - age;
}
