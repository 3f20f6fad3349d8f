import { E, Memory } from '../libc.ts';
import { PEER, UNIT_SHIFT } from './layout.ts';
import { libbpf } from './libbpf.ts';
import type { Libbpf } from './libbpf.ts';

const ANY = 0;
const NO_EXIST = 1;
const KEY = 16;
/** Entries taken out by one call; no bucket of the table holds as many. */
const BATCH = 4_096;

/** What the kernel has carried of a peer: from a report, or from an entry taken out. Times are ns of CLOCK_MONOTONIC, 0: never. */
export interface Carried {
  lastReceived: number;
  lastSent: number;
  receivedBytes: number;
  sentBytes: number;
  receivedPackets: number;
  sentPackets: number;
}

/** The kernel's table of peers whose packets it carries. */
export class PeerMap {
  /** Entries now. */
  size = 0;
  private readonly lib = libbpf();
  private readonly fd: number;
  private readonly key = new Memory(KEY);
  private readonly value = new Memory(PEER.SIZE);

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Puts a peer in, or moves it to where it is now; 0, or the error number. */
  put(
    peer: Uint8Array,
    offset: number,
    address: number,
    port: number,
    uplink: number,
    heardAt: number,
  ): number {
    const { view } = this.value;
    this.setKey(peer, offset);
    this.value.bytes.fill(0);
    this.setPlace(address, port, uplink);
    view.setBigUint64(PEER.lastReceived, BigInt(Math.max(0, Math.floor(heardAt))), true);
    // The first report is due at once, and the first question too.
    const before = Math.floor(heardAt / 2 ** UNIT_SHIFT) - 2_000;
    view.setUint32(PEER.lastQuestion, before >>> 0, true);
    view.setUint32(PEER.lastReport, before >>> 0, true);
    const added = this.lib.update(this.fd, this.key.address, this.value.address, NO_EXIST);
    if (added === 0) this.size++;
    if (added !== -E.EEXIST) return 0 - added;
    return this.move(address, port, uplink, heardAt);
  }

  /** Whether the peer's kernel unwraps, as far as is known; undefined where the peer is not in. */
  unwraps(peer: Uint8Array): boolean | undefined {
    this.setKey(peer, 0);
    if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) return undefined;
    return this.value.view.getUint8(PEER.unwraps) !== 0;
  }

  /** Takes a peer out; false where it was not in. What it has carried since its last report is in `carried`. */
  take(peer: Uint8Array, offset: number, carried: Carried): boolean {
    this.setKey(peer, offset);
    return this.takeKeyed(carried);
  }

  /** Takes all peers out, one callback each. */
  clear(onTaken: (peer: Uint8Array, carried: Carried) => void): void {
    const carried = emptyCarried();
    this.walk(this.lib.takeBatch, (peer, view, at) => {
      this.size--;
      readCarried(view, at, carried);
      onTaken(peer, carried);
    });
  }

  /** Shows all peers, and where they are. The table may not be changed meanwhile; the bytes are valid until the callback returns. */
  forEach(see: (peer: Uint8Array, address: number, port: number) => void): void {
    this.walk(this.lib.lookupBatch, (peer, view, at) =>
      see(peer, view.getUint32(at + PEER.address), view.getUint16(at + PEER.port)),
    );
  }

  private walk(
    batch: Libbpf['takeBatch'],
    see: (peer: Uint8Array, values: DataView, at: number) => void,
  ): void {
    const place = new Memory(8); // where in the table the next batch begins, and how many it has
    const keys = new Memory(BATCH * KEY);
    const values = new Memory(BATCH * PEER.SIZE);
    for (let from = 0, ended = false; !ended; from = place.address) {
      place.view.setUint32(4, BATCH, true);
      const { address } = place;
      const result = batch(this.fd, from, address, keys.address, values.address, address + 4, 0);
      if (result < 0 && result !== -E.ENOENT) return;
      ended = result < 0;
      const count = place.view.getUint32(4, true);
      for (let i = 0; i < count; i++)
        see(keys.bytes.subarray(i * KEY, (i + 1) * KEY), values.view, i * PEER.SIZE);
    }
  }

  private move(address: number, port: number, uplink: number, heardAt: number): number {
    const { view } = this.value;
    if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) return E.EAGAIN;
    const moved = view.getUint32(PEER.address) !== address || view.getUint16(PEER.port) !== port;
    const heard = BigInt(Math.max(0, Math.floor(heardAt)));
    const isNews = heard > view.getBigUint64(PEER.lastReceived, true);
    // What the programs have counted since it was read is lost.
    if (!moved && !isNews && view.getUint8(PEER.uplink) === uplink) return 0;
    if (moved) view.setUint8(PEER.unwraps, 0);
    this.setPlace(address, port, uplink);
    if (isNews) view.setBigUint64(PEER.lastReceived, heard, true);
    return 0 - this.lib.update(this.fd, this.key.address, this.value.address, ANY);
  }

  private takeKeyed(carried: Carried): boolean {
    if (this.lib.lookupAndDelete(this.fd, this.key.address, this.value.address) < 0) return false;
    this.size--;
    readCarried(this.value.view, 0, carried);
    return true;
  }

  private setKey(peer: Uint8Array, offset: number): void {
    for (let i = 0; i < KEY; i++) this.key.bytes[i] = peer[offset + i]!;
  }

  private setPlace(address: number, port: number, uplink: number): void {
    const { view } = this.value;
    view.setUint32(PEER.address, address);
    view.setUint16(PEER.port, port);
    view.setUint8(PEER.uplink, uplink);
  }
}

function readCarried(view: DataView, at: number, carried: Carried): void {
  carried.lastReceived = Number(view.getBigUint64(at + PEER.lastReceived, true));
  carried.lastSent = Number(view.getBigUint64(at + PEER.lastSent, true));
  carried.receivedBytes = Number(view.getBigUint64(at + PEER.receivedBytes, true));
  carried.sentBytes = Number(view.getBigUint64(at + PEER.sentBytes, true));
  carried.receivedPackets = view.getUint32(at + PEER.receivedPackets, true);
  carried.sentPackets = view.getUint32(at + PEER.sentPackets, true);
}

export function emptyCarried(): Carried {
  return {
    lastReceived: 0,
    lastSent: 0,
    receivedBytes: 0,
    sentBytes: 0,
    receivedPackets: 0,
    sentPackets: 0,
  };
}
