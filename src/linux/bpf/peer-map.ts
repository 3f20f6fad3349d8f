import { E, Memory } from '../libc.ts';
import { PEER, UNIT_SHIFT } from './layout.ts';
import { libbpf } from './libbpf.ts';

const ANY = 0;
const NO_EXIST = 1;
const KEY = 16;

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
  private readonly next = new Memory(KEY);
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

  /** Takes a peer out; false where it was not in. What it has carried since its last report is in `carried`. */
  take(peer: Uint8Array, offset: number, carried: Carried): boolean {
    this.setKey(peer, offset);
    return this.takeKeyed(carried);
  }

  /** Takes all peers out, one callback each. */
  clear(onTaken: (peer: Uint8Array, carried: Carried) => void): void {
    const carried = emptyCarried();
    // Each is taken out before the next is asked for: so "the first" does, and no key is lost under way.
    while (this.lib.nextKey(this.fd, 0, this.next.address) === 0) {
      this.key.bytes.set(this.next.bytes);
      if (!this.takeKeyed(carried)) break;
      onTaken(this.key.bytes, carried);
    }
  }

  private move(address: number, port: number, uplink: number, heardAt: number): number {
    const { view } = this.value;
    if (this.lib.lookup(this.fd, this.key.address, this.value.address) < 0) return E.EAGAIN;
    this.setPlace(address, port, uplink);
    const heard = BigInt(Math.max(0, Math.floor(heardAt)));
    if (heard > view.getBigUint64(PEER.lastReceived, true)) view.setBigUint64(PEER.lastReceived, heard, true);
    return 0 - this.lib.update(this.fd, this.key.address, this.value.address, ANY);
  }

  private takeKeyed(carried: Carried): boolean {
    if (this.lib.lookupAndDelete(this.fd, this.key.address, this.value.address) < 0) return false;
    this.size--;
    const { view } = this.value;
    carried.lastReceived = Number(view.getBigUint64(PEER.lastReceived, true));
    carried.lastSent = Number(view.getBigUint64(PEER.lastSent, true));
    carried.receivedBytes = Number(view.getBigUint64(PEER.receivedBytes, true));
    carried.sentBytes = Number(view.getBigUint64(PEER.sentBytes, true));
    carried.receivedPackets = view.getUint32(PEER.receivedPackets, true);
    carried.sentPackets = view.getUint32(PEER.sentPackets, true);
    return true;
  }

  private setKey(peer: Uint8Array, offset: number): void {
    for (let i = 0; i < KEY; i++) this.key.bytes[i] = peer[offset + i]!;
  }

  private setPlace(address: number, port: number, uplink: number): void {
    const { view } = this.value;
    view.setUint32(PEER.address, address);
    view.setUint16(PEER.port, port);
    view.setUint16(PEER.uplink, uplink, true);
  }
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
