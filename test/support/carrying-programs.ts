import { ArrivalMap } from '../../src/linux/bpf/arrival-map.ts';
import {
  CONFIG,
  DRIVER,
  KERNEL_COUNTERS,
  LONG_UNIT_SHIFT,
  PEER,
  ROLE,
  UNIT_SHIFT,
  UPLINK,
  WAY,
} from '../../src/linux/bpf/layout.ts';
import type { Way } from '../../src/linux/bpf/layout.ts';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';
import { OwnPorts } from '../../src/linux/bpf/own-ports.ts';
import { PeerMap, emptyCarried } from '../../src/linux/bpf/peer-map.ts';
import type { PeerState } from '../../src/linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { writeRecord } from '../../src/linux/bpf/records.ts';
import { ReportRing } from '../../src/linux/bpf/report-ring.ts';
import { VERDICT } from '../../src/linux/bpf/test-run.ts';
import { ServedMap } from '../../src/linux/bpf/served-map.ts';
import { Memory } from '../../src/linux/libc.ts';
import { toHex } from '../../src/wire/index.ts';
import type { Endpoint, Ipv6, Ipv6Prefix } from '../../src/wire/index.ts';
import { ProgramBench } from './program-bench.ts';

/** Octets of an Ethernet header. Here the tunnel interface has one, too. */
export const ETHERNET = 14;
/** Octets of the longest frame. */
const MOST = 4_096;
const REPORTS = 1 << 16;
/** The index of the interface at which frames of test runs arrive. Its Ethernet address is 0. */
const LOOPBACK = 1;
const XDP_PASS = 2;
/** The beginning of the address of the merging pair's first end. */
export const PAIR = Uint8Array.of(2, 0x7e, 0, 1);
/** Octets in front of a frame that the driver's program has changed. */
const MARK = 8;

export interface Configured {
  readonly role: 'client' | 'relay';
  /** A client's address. */
  readonly own: Ipv6 | undefined;
  /** The prefixes that a relay serves. */
  readonly serve: readonly Ipv6Prefix[];
}

/** The programs that carry peers' packets, not attached to an interface, with one uplink that has the address of `local`. */
export class CarryingPrograms {
  /** Frames are written into its `frame`. */
  readonly bench = new ProgramBench(MOST);
  private readonly local: Endpoint;
  /** The local ports at which datagrams of peers are looked for; that of `local` is one. */
  readonly ownPorts: OwnPorts;
  readonly arrivals: ArrivalMap;
  readonly program = loadPeerProgram({ peers: 4_096, served: 16, proofs: 16, reports: REPORTS });
  private readonly encap = this.program.program('encap');
  private readonly decap = this.program.program('decap');
  private readonly xdp = this.program.program('decap_xdp');
  private readonly merged = this.program.program('merged');
  private readonly peers = new PeerMap(this.program.map('peers'));
  private readonly served = new ServedMap(this.program.map('served'), 16);
  private readonly ring = new ReportRing(this.program.map('reports'), REPORTS);

  /** Frames that the driver's program has unwrapped. */
  unwrapped = 0;
  /** Whether segments are sent into a merging pair. */
  private readonly merges: boolean;

  /**
   * `isVirtual`: frames come from another host of this kernel, some with checksums that are still to be made. `merges`: segments are sent into a merging
   * pair.
   */
  constructor(local: Endpoint, isVirtual = false, merges = false) {
    this.local = local;
    this.merges = merges;
    this.ownPorts = new OwnPorts(this.program.map('ports'));
    this.ownPorts.add(local.port);
    writeRecord(this.program.map('drivers'), LOOPBACK, DRIVER.SIZE, (view) =>
      view.setUint16(DRIVER.isVirtual, Number(isVirtual), true),
    );
    this.setUplink(0, 1, local.address);
    this.arrivals = new ArrivalMap(this.program.map('arrivals'));
  }

  /** Makes an interface with this index the uplink of this number, with this address. */
  setUplink(number: number, ifindex: number, source: number): void {
    writeRecord(this.program.map('uplinks'), number, UPLINK.SIZE, (view) => {
      view.setUint32(UPLINK.ifindex, ifindex, true);
      view.setUint32(UPLINK.source, source);
      view.setUint32(UPLINK.mtu, 1_500, true);
      view.setUint32(UPLINK.finishes, 1, true);
      view.setUint32(UPLINK.pair, this.merges ? LOOPBACK : 0, true);
      view.setUint32(UPLINK.pairQueues, 1, true);
    });
  }

  get counters(): Readonly<Record<(typeof KERNEL_COUNTERS)[number], number>> {
    return this.program.readCounters(KERNEL_COUNTERS);
  }

  /** Sets the role and its addresses, and removes all peers. */
  configure({ role, own, serve }: Configured): void {
    writeRecord(this.program.map('config'), 0, CONFIG.SIZE, (view, bytes) => {
      if (own !== undefined) bytes.set(own, CONFIG.own);
      view.setUint32(CONFIG.tunnel, 1, true);
      view.setUint32(CONFIG.tunnelHeader, ETHERNET, true);
      view.setUint32(CONFIG.stretch, 1, true);
      view.setUint32(CONFIG.renewal, 1 << 30, true);
      view.setUint8(CONFIG.role, ROLE[role]);
      view.setUint8(CONFIG.ttl, 64);
      view.setUint32(CONFIG.reporting, 1e9 / 2 ** UNIT_SHIFT, true);
      bytes.set(PAIR, CONFIG.pairAddress);
    });
    this.served.set(serve);
    for (const _ of this.peers.clear(() => {}));
    this.ring.drain(() => {});
  }

  /** From now on packets of this peer are carried in both directions. It was heard at `heardAt` (ms of CLOCK_MONOTONIC). */
  put(
    peer: Uint8Array,
    offset: number,
    { address, port }: Endpoint,
    heardAt: number,
    localPort = this.local.port,
  ): void {
    const route = { address, port, localPort, uplink: 0 };
    const error = this.peers.put(peer, offset, route, heardAt * 1e6, monotonic() * 1e6);
    if (error !== 0) throw new Error(`no room for a peer: error ${error}`);
    this.peers.setWay(peer.subarray(offset, offset + 16), WAY.bare, 0, 0);
  }

  setWay(peer: Uint8Array, way: Way): void {
    this.peers.setWay(peer, way, 0, 0);
  }

  /** Removes the peer; returns the time (ms of CLOCK_MONOTONIC) at which it was last heard. */
  take(peer: Uint8Array, offset: number): number {
    const carried = emptyCarried();
    this.peers.take(peer, offset, carried);
    return carried.lastReceived / 1e6;
  }

  state(peer: Uint8Array): PeerState | undefined {
    return this.peers.state(peer, monotonic() * 1e6);
  }

  /** Writes a time of 32 bits into a peer's entry; `at`: ms of CLOCK_MONOTONIC. */
  writeUnits(peer: Uint8Array, field: number, at: number): void {
    const units = Math.floor((at * 1e6) / 2 ** UNIT_SHIFT) >>> 0;
    this.change(peer, (view) => view.setUint32(field, units, true));
  }

  private change(peer: Uint8Array, write: (view: DataView) => void): void {
    const [key, value] = [new Memory(peer.length), new Memory(PEER.SIZE)];
    key.bytes.set(peer);
    const map = this.program.map('peers');
    check('lookup', libbpf().lookup(map, key.address, value.address));
    write(value.view);
    check('update', libbpf().update(map, key.address, value.address, 0));
  }

  /** The same for a time of 16 bits. */
  writeLongUnits(peer: Uint8Array, field: number, at: number): void {
    const units = Math.floor((at * 1e6) / 2 ** LONG_UNIT_SHIFT) & 0xffff;
    this.change(peer, (view) => view.setUint16(field, units, true));
  }

  /** Whether the peer's kernel unwraps datagrams; undefined: not known. */
  unwraps(peer: Uint8Array): boolean | undefined {
    return this.peers.state(peer, monotonic() * 1e6)?.unwraps;
  }

  /** Reports since the last call. */
  countReports(): number {
    let count = 0;
    this.ring.drain(() => count++);
    return count;
  }

  /**
   * The verdict on the written frame, of this length, when it arrives on the uplink. The driver's program sees it first: it changes nothing, or
   * makes of it what `decap` makes of it. A segment that `decap` sends into the pair comes out of it.
   */
  runIn(length: number): number {
    const { bench } = this;
    const early = this.unwrapInDriver(length);
    const verdict = this.throughPair(bench.run(this.decap, length));
    if (early === undefined) return verdict;
    this.unwrapped++;
    const late = bench.left.subarray(ETHERNET, bench.leftLength);
    if (verdict !== VERDICT.carried || Buffer.compare(early, late) !== 0)
      throw new Error(`unwrapped in the driver, and ${verdict} by decap: ${toHex(bench.frame, 0, length)}`);
    return verdict;
  }

  /** The verdict of the pair's other end, if `decap` has sent the frame there; else that of `decap`. */
  private throughPair(verdict: number): number {
    const { frame, left, leftLength } = this.bench;
    const isInPair = Buffer.compare(left.subarray(6, 6 + PAIR.length), PAIR) === 0;
    if (!this.merges || verdict !== VERDICT.carried || !isInPair) return verdict;
    const written = frame.slice();
    const sent = left.slice(0, leftLength);
    frame.set(sent);
    const end = this.bench.run(this.merged, sent.length);
    frame.set(written);
    if (Buffer.compare(left.subarray(0, this.bench.leftLength), sent) !== 0)
      throw new Error(`changed at the end of the pair: ${toHex(sent, 0, sent.length)}`);
    return end;
  }

  /** The packet that the driver's program has unwrapped; undefined: it has left the frame as it is. */
  private unwrapInDriver(length: number): Uint8Array | undefined {
    const { bench } = this;
    const verdict = bench.run(this.xdp, length);
    if (verdict !== XDP_PASS) throw new Error(`verdict ${verdict} of the driver's program`);
    const { left, leftLength, frame } = bench;
    if (Buffer.compare(left.subarray(0, leftLength), frame.subarray(0, length)) === 0) return undefined;
    return left.slice(MARK + ETHERNET, leftLength);
  }

  /** The verdict when the host sends it into the tunnel. */
  runOut(length: number): number {
    return this.bench.run(this.encap, length);
  }

  close(): void {
    this.ring.close();
    this.program.close();
  }
}

/** CLOCK_MONOTONIC, ms. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
