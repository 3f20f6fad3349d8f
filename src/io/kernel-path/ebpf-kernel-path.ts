import { attach, filterHandle, removeLeftFilters } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import { KERNEL_COUNTERS, NOTICE, NOTICE_KIND, OFFER_RESULT, REPORT, WAY } from '../../linux/bpf/layout.ts';
import type { Way } from '../../linux/bpf/layout.ts';
import { OwnPorts } from '../../linux/bpf/own-ports.ts';
import { PeerMap, emptyCarried } from '../../linux/bpf/peer-map.ts';
import type { PlacedOffer } from '../../linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../linux/bpf/peer-program.ts';
import { PrefixMap } from '../../linux/bpf/prefix-map.ts';
import type { PeerProgram } from '../../linux/bpf/peer-program.ts';
import { ReportRing } from '../../linux/bpf/report-ring.ts';
import { ServedMap } from '../../linux/bpf/served-map.ts';
import { readLinks } from '../../linux/links.ts';
import { NetlinkMonitor } from '../../linux/netlink-monitor.ts';
import { Poll } from '../../linux/poll.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import { WayOut } from '../../linux/way-out.ts';
import type { Entropy } from '../../core/entropy.ts';
import type { PrefixTallies } from '../../core/offload/prefix-tallies.ts';
import type { UnreportedTraffic } from '../../core/peer-traffic.ts';
import { formatIpv6 } from '../../wire/index.ts';
import type { Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import { CarriedReports } from './carried-reports.ts';
import { InTurns } from './in-turns.ts';
import { readLastCounts } from './last-counts.ts';
import { followOffers } from './offers.ts';
import type { Offer, OfferedPlace } from './offers.ts';
import { kernelProofs } from './kernel-proofs.ts';
import { KernelTime } from './kernel-time.ts';
import { Merging } from './merging.ts';
import { MOST_PROOFS, carriedPath } from './path-proofs.ts';
import type { PathProofs } from './path-proofs.ts';
import type { KernelPathHandover } from './handover.ts';
import type { ProvenWay } from './left-ways.ts';
import { ProgramConfig } from './program-config.ts';
import { RingReading } from './ring-reading.ts';
import type {
  CarriedPath,
  Clock,
  KernelPath,
  KernelPathHandlers,
  KernelPathOptions,
  HostNetwork,
  UplinkState,
} from '../ports.ts';
import { Debounce } from '../debounce.ts';
import { SocketPorts } from './socket-ports.ts';
import { Uplinks, wayKey } from './uplinks.ts';
import type { WayKey } from './uplinks.ts';
import { XDP_OFF } from './xdp-arrivals.ts';

/** The ring has room for so many reports, of 64 bytes. It is read often enough: ring-reading.ts */
const RING_REPORTS = 16_384;
const RING_BYTES = 64 * RING_REPORTS;
/** The work that a notice makes, in reports: it may begin a proof, with some system calls. */
const NOTICE_WORK = 16;
const SERVED_MOST = 1_024;
/** The least time between two rounds in which all peers are offered again, if it is not urgent. */
const RESET_SPACING_MS = 10_000;
/** How often the rules for leaving packets are read: the kernel sends no message when they change. */
const LOOK_MS = 2_000;

/** Loads tc programs that carry the packets of verified peers between the tunnel and the interfaces that lead to them. */
export class EbpfKernelPath implements KernelPath {
  readonly hasPredecessor: boolean;
  private readonly options: KernelPathOptions;
  private readonly clock: Clock;
  private readonly program: PeerProgram;
  private readonly peers: PeerMap;
  private readonly sockets: SocketPorts;
  private readonly served: ServedMap;
  /** Only of a relay. */
  private readonly tallies: PrefixMap | undefined;
  private readonly reading: RingReading;
  private readonly closeRing: () => void;
  /** The ring is read after the end. */
  private hasLastReports = false;
  private readonly uplinks: Uplinks;
  private readonly merging: Merging;
  private readonly wayOut: WayOut;
  /** Of its filters, before kernel 6.6. */
  private readonly handle: number;
  private egress: Attachment;
  private readonly debounce: Debounce;
  private readonly reports: CarriedReports;
  private readonly config: ProgramConfig;
  private readonly tunnelIndex: number;
  private readonly time: KernelTime;
  private readonly proofs: PathProofs;
  /** All peers are taken out of the table, or moved to other uplinks. */
  private readonly forgetting: InTurns;
  private readonly moving: InTurns;
  /** The addresses that have another uplink now, while peers are moved there. */
  private readonly changedWays = new Set<WayKey>();
  /** Steps of {@link close}. A step returns false if the system refuses it for now. */
  private readonly undo: (() => boolean | void)[] = [];
  private readonly notDone = { notOffered: 0, offersRefused: 0, proofsNotSent: 0 };
  private queue: Offer[] = [];
  private placed: PlacedOffer[] = [];
  private handlers: KernelPathHandlers | undefined;
  private cancelTimer: (() => void) | undefined;
  private timerAt = Infinity;
  private prefixes: readonly Ipv6Prefix[] = [];
  private cancelLook: (() => void) | undefined;
  private cancelReset: (() => void) | undefined;
  private lastInTurn = -Infinity;
  /** The kernel's counters, kept when the path is closed. */
  private last: Readonly<Record<string, number>> | undefined;
  private readonly handover: KernelPathHandover | undefined;
  /** Proven ways of a predecessor, by the text of the peer's address, until {@link takeOver}. */
  private readonly leftWays: Map<string, ProvenWay>;
  /** The programs carry on until a successor takes over. */
  private isLeft = false;
  private closed = false;

  /** `handover`: from a predecessor, and for a successor. Throws an Error or a SystemCallError that names the missing part. */
  constructor(
    options: KernelPathOptions,
    clock: Clock,
    network: HostNetwork,
    entropy: Entropy,
    handover?: KernelPathHandover,
  ) {
    this.handover = handover;
    this.hasPredecessor = handover?.links.hasLeft ?? false;
    this.leftWays = handover?.takeWays() ?? new Map();
    this.options = options;
    this.clock = clock;
    this.time = new KernelTime(clock);
    this.debounce = new Debounce(clock, () => this.guarded(() => this.orForget(() => this.follow())));
    this.forgetting = new InTurns(clock, (action) => this.guarded(action));
    this.moving = new InTurns(clock, (action) => this.guarded(() => this.orForget(action)));
    this.reports = new CarriedReports(
      (ns) => this.time.toMs(ns),
      (batch) => this.handlers?.onCarried(batch),
    );
    try {
      this.wayOut = this.closing(new WayOut());
      const monitor = this.closing(new NetlinkMonitor());
      const tunnel = this.wayOut.link(options.tunnel);
      if (tunnel === undefined) throw new Error(`there is no interface "${options.tunnel}"`);
      this.tunnelIndex = tunnel.ifindex;
      const sizes = {
        peers: options.peers,
        served: SERVED_MOST,
        proofs: MOST_PROOFS,
        reports: RING_BYTES,
      };
      const xdp = options.xdp ?? 'auto';
      this.program = this.closing(loadPeerProgram(sizes, undefined, xdp === 'off' ? XDP_OFF : undefined));
      this.undo.push(() => void (this.last = this.program.readCounters(KERNEL_COUNTERS)));
      this.peers = new PeerMap(
        this.program.map('peers'),
        this.program.program('amend'),
        this.program.program('offer'),
      );
      this.sockets = new SocketPorts(new OwnPorts(this.program.map('ports')), options.local.port);
      this.served = new ServedMap(this.program.map('served'), SERVED_MOST);
      if (options.role === 'relay') this.tallies = new PrefixMap(this.program.map('prefixes'));
      const ring = new ReportRing(this.program.map('reports'), RING_BYTES);
      this.closeRing = () => ring.close();
      this.undo.push(() => {
        if (!this.hasLastReports) this.closeRing();
      });
      this.reading = new RingReading(ring, (...record) => this.handleRecord(...record));
      this.handle = filterHandle(options.local);
      // The programs are attached when a way is made ready or the first peer is offered. Until then the programs of a killed process would take
      // this one's packets.
      for (const ifindex of readLinks().keys()) removeLeftFilters(ifindex, 'ingress', this.handle);
      this.config = new ProgramConfig(this.program, options, this.tunnelIndex, entropy);
      this.merging = this.closing(this.makeMerging());
      this.uplinks = this.closing(
        new Uplinks(this.program, network, options.local, this.handle, xdp, this.merging, handover?.links),
      );
      this.proofs = this.makeProofs(entropy);
      this.config.write();
      this.egress = this.attachToTunnel();
      this.closing({ close: () => this.egress.close() });
      // A filter that cannot be taken away (kernels before 6.6: that needs a descriptor) would continue to carry.
      this.undo.push(() => {
        if (!this.isLeft) this.config.switchOff();
      });
      this.closing(new Poll(this.program.map('reports'), () => this.guarded(() => this.fetch())));
      monitor.start(() => {
        this.guarded(() => this.uplinks.askRoutes());
        this.debounce.trigger();
      });
      this.closing({ close: () => this.cancelLook?.() });
      this.lookLater();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get counters(): Readonly<Record<string, number>> {
    const ofProcess = { ...this.notDone, mergingLost: this.merging.lost, ...this.proofs.counters };
    return { ...(this.last ?? this.program.readCounters(KERNEL_COUNTERS)), ...ofProcess };
  }

  get size(): number {
    return this.peers.size;
  }

  get uplinkStates(): readonly UplinkState[] {
    return this.closed ? [] : this.uplinks.states;
  }

  get unknown(): string | undefined {
    return this.closed ? undefined : this.uplinks.unknownRules;
  }

  start(handlers: KernelPathHandlers): void {
    this.handlers = handlers;
  }

  makeReady(destination: Ipv4): void {
    // The peers that a predecessor has left make their ways ready at once.
    if (!this.hasPredecessor) this.guarded(() => this.uplinks.makeReady(destination));
  }

  setOwn(address: Ipv6 | undefined): void {
    if (this.closed || this.isLeft || this.config.hasOwn(address)) return;
    this.config.setOwn(address);
    this.guarded(() => this.orForget(() => this.config.write()));
  }

  setServed(prefixes: readonly Ipv6Prefix[]): void {
    this.prefixes = prefixes;
    this.guarded(() => this.orForget(() => this.served.set(prefixes)));
  }

  offload(
    buffer: Uint8Array,
    offset: number,
    address: Ipv4,
    port: number,
    heardAtMs: number,
    localPort = this.options.local.port,
  ): void {
    const peer = buffer.slice(offset, offset + 16);
    this.queue.push({ peer, place: { address, port, localPort }, heardAtMs });
  }

  unload(buffer: Uint8Array, offset: number): void {
    this.queue.push({ peer: buffer.slice(offset, offset + 16), place: undefined, heardAtMs: 0 });
  }

  socketCloses(localPort: number): void {
    this.flush();
    this.guarded(() => this.orForget(() => this.closePort(localPort)));
  }

  refused(buffer: Uint8Array, offset: number): void {
    if (!this.closed) this.proofs.handleRefusal(buffer.slice(offset, offset + 16), this.clock.now());
  }

  pathOf(peer: Ipv6): CarriedPath {
    const { nowNs } = this.time;
    const state = this.closed ? undefined : this.peers.state(peer, nowNs);
    return state === undefined ? { way: 'none' } : carriedPath(state, nowNs, this.config.stretch);
  }

  unreported(peer: Ipv6): UnreportedTraffic {
    const carried = emptyCarried();
    if (!this.closed) this.peers.readCarried(peer, carried);
    const { receivedPackets, receivedBytes, sentPackets, sentBytes, lastReceived, lastSent } = carried;
    const lastAt = this.time.toMs(Math.max(lastReceived, lastSent));
    return { receivedPackets, receivedBytes, sentPackets, sentBytes, lastAt };
  }

  *unreportedOctets(see: (peer: Ipv6, octets: number) => void): Generator<void> {
    const steps = this.peers.unreportedOctets(see);
    try {
      while (!this.closed && steps.next().done !== true) yield;
    } catch (error) {
      if (!isShortage(error)) throw error;
      countSystemFailure(error); // the others are not known
    }
  }

  reportPeers(): void {
    if (this.closed) return;
    this.reading.readSome(this.clock.now());
    this.reports.flush();
    if (this.reading.hasMore) this.fetchLater();
  }

  *reportInTurns(): Generator<void> {
    const steps = this.reading.readInTurns(() => this.clock.now(), RING_REPORTS);
    while (!this.closed) {
      const isDone = steps.next().done === true;
      this.reports.flush();
      if (isDone) break;
      yield;
    }
    if (!this.closed) this.fetch();
  }

  report(): void {
    if (!this.closed) this.fetch();
  }

  forget(): void {
    this.guarded(() => this.forgetPeers());
  }

  end(): void {
    if (this.closed) return;
    this.guarded(() => this.handOverTallies());
    const table = this.isLeft ? undefined : this.peers.keep();
    if (table === undefined) this.guarded(() => this.forgetPeers());
    this.hasLastReports = table !== undefined;
    this.close();
    if (table === undefined) return;
    const { reading, closeRing } = this;
    readLastCounts({ table, reading, room: RING_REPORTS, closeRing }, this.reports, this.clock);
  }

  flush(): void {
    if (this.queue.length === 0) return;
    const queue = this.queue;
    this.queue = [];
    // At its end all peers are offered again.
    if (this.forgetting.isUnderWay) return;
    this.guarded(() => this.followOffers(queue));
    this.fetchLater();
  }

  takeOver(): void {
    this.guarded(() => this.handover?.links.takeOver());
    this.merging.tookOver();
    this.leftWays.clear();
  }

  leave(): void {
    if (this.closed || this.handover === undefined || !this.handover.links.hasOpen) return;
    this.guarded(() => {
      this.moving.finish();
      this.forgetting.finish();
      // A successor has no sockets for single peers: they close with this process.
      for (const peer of this.sockets.peers) this.takeOut(peer);
      this.fetchAll();
      this.handover!.leaveWays(this.provenWays());
      // Before: nobody would remove the pair if no successor comes.
      this.uplinks.endMerging();
      this.merging.close();
      this.handover!.links.leave();
      this.isLeft = true;
    });
  }

  private provenWays(): ProvenWay[] {
    const proven: ProvenWay[] = [];
    this.peers.forEach((peer, address, port, _localPort, way) => {
      if (way === WAY.checked || way === WAY.bare)
        proven.push({ peer: peer.slice(), place: { address, port }, way });
    });
    return proven;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelTimer?.();
    this.cancelReset?.();
    this.forgetting.cancel();
    this.moving.cancel();
    this.debounce.close();
    const left = this.undo.toReversed().filter((step) => !isDone(step));
    // Where descriptors were short, there are some now that all the rest is closed.
    for (const step of left) isDone(step);
  }

  /** Registers a resource, which {@link close} releases: the latest first. */
  private closing<T extends { close(): boolean | void }>(part: T): T {
    this.undo.push(() => part.close());
    return part;
  }

  /**
   * Runs an action. An error in it ends the kernel path, and the user path carries all packets from then on. The handlers are informed
   * later, never inside a method of this class.
   */
  private guarded(action: () => void): void {
    if (this.closed || this.isLeft) return;
    try {
      action();
    } catch (error) {
      // The host's links or routes changed again and again while they were listed, or descriptors or memory are short. All peers are
      // offered again when it is quieter.
      const isUnsettled = isShortage(error);
      countSystemFailure(error);
      this.clock.setTimer(this.clock.now(), () => {
        if (isUnsettled) this.guarded(() => this.resetInTurn());
        else this.lose(error as Error);
      });
    }
  }

  private lose(error: Error): void {
    if (this.closed) return;
    const { handlers } = this;
    this.end();
    handlers?.onLost(new Error(`the kernel path has failed: ${error.message}`, { cause: error }));
  }

  private followOffers(offers: readonly Offer[]): void {
    followOffers(
      offers,
      (peer) => this.takeOut(peer),
      (peer, place, heardAtMs) => this.place(peer, place, heardAtMs),
      () => this.putPlaced(),
    );
  }

  private closePort(localPort: number): void {
    for (const peer of this.sockets.close(localPort)) this.takeOut(peer);
    this.uplinks.forgetPort(localPort);
    this.fetchLater();
  }

  private place(peer: Uint8Array, place: OfferedPlace, heardAtMs: number): void {
    const uplink = this.uplinks.towards(place.address, place.localPort);
    if (uplink === undefined) {
      this.notDone.notOffered++;
      this.putPlaced();
      this.takeOut(peer);
      return;
    }
    this.sockets.add(peer, place.localPort);
    this.placed.push({ peer, ...place, uplink, heardAt: this.time.toNs(heardAtMs) });
  }

  /** Puts in those for which there is an uplink. After one that has moved, one by one: the same peer may be there again, at another place. */
  private putPlaced(): void {
    const { placed } = this;
    if (placed.length === 0) return;
    this.placed = [];
    let hasMoved = false;
    this.peers.putMany(placed, (offer, result) => {
      hasMoved ||= result === OFFER_RESULT.elsewhere;
      if (hasMoved || result === OFFER_RESULT.refused) this.putOne(offer);
      else if (result === OFFER_RESULT.added) this.notePut(offer);
    });
  }

  private putOne(offer: PlacedOffer): void {
    const { peer, heardAt } = offer;
    const carried = emptyCarried();
    const error = this.peers.put(peer, 0, offer, heardAt, this.time.nowNs, carried);
    this.reports.addTaken(peer, 0, carried);
    if (error === 0) return this.notePut(offer);
    this.notDone.offersRefused++;
    this.takeOut(peer);
  }

  private notePut({ peer, address, port }: PlacedOffer): void {
    this.useLeftWay(peer, address, port);
    this.proofs.handlePlace(peer);
  }

  /** A predecessor has proven that the kernel path reaches the peer. */
  private useLeftWay(peer: Uint8Array, address: Ipv4, port: number): void {
    if (this.leftWays.size === 0) return;
    const left = this.leftWays.get(formatIpv6(peer));
    if (left?.place.address === address && left.place.port === port)
      this.setWay(peer, left.way, 0, this.time.nowNs);
  }

  private takeOut(peer: Uint8Array): void {
    this.proofs.drop(peer);
    this.take(peer);
  }

  private take(peer: Uint8Array): void {
    this.sockets.drop(peer);
    const carried = emptyCarried();
    if (this.peers.take(peer, 0, carried)) this.reports.addTaken(peer, 0, carried);
  }

  /** A peer whose entry cannot be changed is carried no longer: taking it out needs no memory. */
  private setWay(peer: Uint8Array, way: Way, failures: number, noticeAfterNs: number): void {
    if (!this.peers.setWay(peer, way, failures, noticeAfterNs)) this.take(peer);
  }

  /** If something cannot be changed now, no peer is carried with the old settings. All are offered again later. */
  private orForget(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.holdAndForget();
      throw error;
    }
  }

  private holdAndForget(): void {
    try {
      this.config.hold();
    } catch {
      return this.forgetPeers(); // the programs still carry: at once
    }
    this.takeOutInTurns(() => {
      this.clock.setTimer(this.clock.now(), () => this.guarded(() => this.resetInTurn()));
    });
  }

  /** A link, address or route of this host has changed. */
  private follow(): void {
    if (this.forgetting.isUnderWay) return;
    if (!this.uplinks.areUnchanged()) return this.reset();
    if (this.uplinks.isCrowded) return this.resetInTurn();
    this.uplinks.lookAtMerging();
    const changed = this.uplinks.follow();
    this.movePeers(changed);
    // Peers that could not be offered before are not in any list here. The user path carries their packets meanwhile.
    if ([...changed.values()].includes(undefined)) this.resetInTurn();
  }

  private lookLater(): void {
    this.cancelLook = this.clock.setTimer(this.clock.now() + LOOK_MS, () => {
      this.lookLater();
      this.guarded(() => this.config.followTtl());
      this.guarded(() => this.lookAtAttachments());
      this.guarded(() => this.uplinks.lookAtArrivals());
      this.guarded(() => this.uplinks.lookAtDrivers());
      this.guarded(() => this.uplinks.lookAtMerging());
      if (this.uplinks.lookAtRules()) this.debounce.trigger();
    });
  }

  /** Before kernel 6.6 the programs are filters, which other programs can remove without a message. */
  private lookAtAttachments(): void {
    const isAtTunnel = this.egress.isAttached();
    const isAtUplinks = this.uplinks.lookAtAttachments();
    if (isAtTunnel && isAtUplinks) return;
    if (!isAtTunnel) {
      this.egress.close();
      this.egress = this.attachToTunnel();
    }
    this.resetInTurn();
  }

  private attachToTunnel(): Attachment {
    return attach(
      this.program.program('encap'),
      this.tunnelIndex,
      'egress',
      this.handle,
      this.handover?.links,
    );
  }

  /** Moves the peers at these addresses to the uplinks that now lead there. Until all are there, the kernel decides about each next hop. */
  private movePeers(changed: ReadonlyMap<WayKey, unknown>): void {
    for (const key of changed.keys()) this.changedWays.add(key);
    if (this.changedWays.size === 0) return this.uplinks.knowRoutes();
    if (changed.size === 0) return;
    this.moving.begin(this.moveSome(), () => {
      this.changedWays.clear();
      this.uplinks.knowRoutes();
    });
    this.fetchLater();
  }

  private *moveSome(): Generator<void> {
    let moved: Offer[] = [];
    const steps = this.peers.places((peer, address, port, localPort) => {
      if (this.changedWays.has(wayKey(address, localPort)))
        moved.push({ peer: peer.slice(), place: { address, port, localPort }, heardAtMs: -Infinity });
    });
    for (const _ of steps) {
      const some = moved;
      moved = [];
      this.followOffers(some);
      yield;
    }
  }

  /** The table of uplinks has changed as a whole: all peers have to be offered again. */
  private reset(): void {
    this.cancelReset?.();
    this.cancelReset = undefined;
    // First: the next steps may be refused, and until they succeed the process carries all packets.
    this.config.hold();
    this.takeOutInTurns(() => this.beginAgain());
  }

  private takeOutInTurns(end: () => void): void {
    this.moving.cancel();
    this.changedWays.clear();
    this.fetch();
    this.forgetting.begin(this.takeAllOut(), end);
  }

  private beginAgain(): void {
    this.proofs.clear();
    this.uplinks.reset();
    this.merging.forgetRefusal();
    // Settings that failed before may succeed now.
    this.config.release();
    this.served.set(this.prefixes);
    this.handlers?.onReset();
  }

  /** Resets at once, or later: on a router some route changes all the time. */
  private resetInTurn(): void {
    if (this.cancelReset !== undefined || this.forgetting.isUnderWay) return;
    const now = this.clock.now();
    this.lastInTurn = Math.max(now, this.lastInTurn + RESET_SPACING_MS);
    if (this.lastInTurn === now) this.reset();
    else this.cancelReset = this.clock.setTimer(this.lastInTurn, () => this.guarded(() => this.reset()));
  }

  private forgetPeers(): void {
    this.fetchAll();
    try {
      for (const _ of this.takeAllOut());
    } catch (error) {
      this.config.switchOff();
      throw error;
    }
  }

  /** In steps, with the reports about those of each. */
  private *takeAllOut(): Generator<void> {
    this.proofs.clear();
    this.sockets.clear();
    try {
      for (const _ of this.peers.clear((peer, carried) => this.reports.addTaken(peer, 0, carried))) {
        this.reports.flush();
        if (this.closed) return;
        yield;
      }
    } finally {
      this.reports.flush();
    }
  }

  private fetchLater(): void {
    if (this.closed) return;
    const at = Math.min(this.reading.nextAt(this.clock.now()), this.proofs.pollTimeout());
    if (at >= this.timerAt) return;
    this.cancelTimer?.();
    this.timerAt = at;
    this.cancelTimer = this.clock.setTimer(at, () => {
      this.cancelTimer = undefined;
      this.timerAt = Infinity;
      this.guarded(() => this.fetch());
    });
  }

  private fetchReports(): void {
    this.reading.readAll(this.clock.now());
    this.reports.flush();
  }

  /** Returns how much work it was, in reports. */
  private handleRecord(view: DataView, offset: number, length: number): number {
    if (length === REPORT.SIZE) {
      this.reports.addRecord(view, offset);
      return 1;
    }
    if (!this.closed) this.handleNotice(view, offset);
    return NOTICE_WORK;
  }

  private fetchAll(): void {
    this.fetchReports();
    this.lookAfterPeers();
  }

  /** Some of the reports. The others are fetched in the next turns. */
  private fetch(): void {
    this.reading.readSome(this.clock.now());
    this.reports.flush();
    this.lookAfterPeers();
  }

  private lookAfterPeers(): void {
    this.handOverTallies();
    this.proofs.handleTimeout(this.clock.now());
    if (this.config.stretchFor(this.peers.size)) this.guarded(() => this.config.write());
    if (this.peers.size > 0 || this.reading.hasMore) this.fetchLater();
  }

  /** Where the system refuses to give them, they are fetched later. */
  private handOverTallies(): void {
    const tallies = this.takeTallies();
    if (tallies !== undefined && tallies.count > 0) this.handlers?.onTallies?.(tallies);
  }

  private takeTallies(): PrefixTallies | undefined {
    try {
      return this.tallies?.take();
    } catch (error) {
      if (!isShortage(error)) throw error;
      countSystemFailure(error);
      return undefined;
    }
  }

  private handleNotice(view: DataView, offset: number): void {
    const addressAt = (at: number): Uint8Array =>
      new Uint8Array(view.buffer, view.byteOffset + offset + at, 16);
    const now = this.clock.now();
    const peer = addressAt(NOTICE.peer);
    const kind = view.getUint32(offset + NOTICE.kind, true);
    if (kind === NOTICE_KIND.wanted || kind === NOTICE_KIND.silent) {
      this.proofs.request(peer, addressAt(NOTICE.source), now, kind === NOTICE_KIND.silent);
    } else if (kind === NOTICE_KIND.answered) {
      this.reports.addHeard(peer, now);
      this.proofs.handleAnswer(peer, now);
    }
  }

  private makeMerging(): Merging {
    const { program, config, handle, handover } = this;
    const { tunnel: name, merge: wish = 'auto', forwards = false } = this.options;
    const tunnel = { name, ifindex: this.tunnelIndex };
    return new Merging({ program, config, wish, tunnel, forwards, handle, links: handover?.links });
  }

  private makeProofs(entropy: Entropy): PathProofs {
    const { program, peers, config, time } = this;
    const { limitHits } = this.options;
    return kernelProofs({
      ...{ program, peers, config, time, entropy, limitHits },
      setWay: (...way) => this.setWay(...way),
      onNotSent: () => this.notDone.proofsNotSent++,
    });
  }
}

/** Does a step of the end. False: the system refuses it for now. An error in it prevents no other step. */
function isDone(step: () => boolean | void): boolean {
  try {
    return step() !== false;
  } catch (error) {
    countSystemFailure(error);
    return true;
  }
}
