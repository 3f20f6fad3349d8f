import { attach, filterHandle, removeLeftFilters } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import { injectFrame } from '../../linux/bpf/inject.ts';
import { KERNEL_COUNTERS, NOTICE, NOTICE_KIND, REPORT } from '../../linux/bpf/layout.ts';
import type { Way } from '../../linux/bpf/layout.ts';
import { ProofMap } from '../../linux/bpf/proof-map.ts';
import { PeerMap, emptyCarried } from '../../linux/bpf/peer-map.ts';
import { loadPeerProgram } from '../../linux/bpf/peer-program.ts';
import type { Program } from '../../linux/bpf/program.ts';
import { ReportRing } from '../../linux/bpf/report-ring.ts';
import { ServedMap } from '../../linux/bpf/served-map.ts';
import { readLinks } from '../../linux/links.ts';
import { NetlinkMonitor } from '../../linux/netlink-monitor.ts';
import { Poll } from '../../linux/poll.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import { WayOut } from '../../linux/way-out.ts';
import type { Entropy } from '../../core/entropy.ts';
import type { PeerTraffic } from '../../core/peer-traffic.ts';
import { readUint32 } from '../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6, Ipv6Prefix } from '../../wire/index.ts';
import { CarriedReports } from './carried-reports.ts';
import { followOffers } from './offers.ts';
import type { Offer } from './offers.ts';
import { MOST_PROOFS, PathProofs, carriedPath } from './path-proofs.ts';
import { ProgramConfig } from './program-config.ts';
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
import { Uplinks } from './uplinks.ts';

/** How often reports are fetched. */
const REPORT_INTERVAL_MS = 500;
/** Room for the reports of as many peers as can be active at once without any being late: 64 bytes each. */
const RING_BYTES = 1 << 20;
const SERVED_MOST = 1_024;
/** Of more peers samples for the socket are taken less often, to a limit: they are to take no more than a part of the process's time. */
const PEERS_WITHOUT_STRETCH = 25_000;
/** So long after its latest proof a path in use is proven again, and so many times as long with each further so many peers. */
const RENEWAL_MS = 10_000;
const PEERS_PER_RENEWAL = 5_000;
/** SPACING_UNITS of the programs: between two notices. */
const NOTICE_SPACING_MS = 1_000;
/** Between two times that all peers are offered anew, where it is not urgent. */
const RESET_SPACING_MS = 10_000;

/** The kernel sends no message when the host's rules for what leaves have changed. */
const LOOK_MS = 2_000;

/** Has tc programs carry the packets of verified peers between the tunnel and the interfaces that lead to them. */
export class EbpfKernelPath implements KernelPath {
  private readonly options: KernelPathOptions;
  private readonly clock: Clock;
  private readonly program: Program;
  private readonly peers: PeerMap;
  private readonly served: ServedMap;
  private readonly ring: ReportRing;
  private readonly uplinks: Uplinks;
  private readonly wayOut: WayOut;
  /** Of its filters, before kernel 6.6. */
  private readonly handle: number;
  private egress: Attachment;
  private readonly debounce: Debounce;
  private readonly reports: CarriedReports;
  private readonly config: ProgramConfig;
  private readonly tunnelIndex: number;
  private readonly nsAhead: number;
  private readonly proofs: PathProofs;
  /** Each is false where the system refuses it for now. */
  private readonly undo: (() => boolean | void)[] = [];
  private readonly notDone = { notOffered: 0, offersRefused: 0, proofsNotSent: 0 };
  /** Of the times of samples, and of those of renewals. */
  private stretch = 1;
  private renewalStretch = 1;
  private queue: Offer[] = [];
  private handlers: KernelPathHandlers | undefined;
  private cancelTimer: (() => void) | undefined;
  private timerAt = Infinity;
  private own: Ipv6 | undefined;
  private prefixes: readonly Ipv6Prefix[] = [];
  private cancelLook: (() => void) | undefined;
  private cancelReset: (() => void) | undefined;
  private lastInTurn = -Infinity;
  /** The kernel's counters as they were at the end. */
  private last: Readonly<Record<string, number>> | undefined;
  private closed = false;

  /** Throws an Error or a SystemCallError that says what this machine lacks. */
  constructor(options: KernelPathOptions, clock: Clock, network: HostNetwork, entropy: Entropy) {
    this.options = options;
    this.clock = clock;
    this.nsAhead = Number(process.hrtime.bigint()) - clock.now() * 1e6;
    this.debounce = new Debounce(clock, () => this.guarded(() => this.orForget(() => this.follow())));
    this.reports = new CarriedReports(
      (ns) => (ns - this.nsAhead) / 1e6,
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
      this.program = this.closing(loadPeerProgram(sizes));
      this.undo.push(() => void (this.last = this.program.readCounters(KERNEL_COUNTERS)));
      this.peers = new PeerMap(this.program.map('peers'), this.program.program('amend'));
      this.served = new ServedMap(this.program.map('served'), SERVED_MOST);
      this.ring = this.closing(new ReportRing(this.program.map('reports'), RING_BYTES));
      this.handle = filterHandle(options.local);
      // Programs are attached when the first peer is carried; those of a process that was killed would take its packets until then.
      for (const ifindex of readLinks().keys()) removeLeftFilters(ifindex, 'ingress', this.handle);
      this.uplinks = this.closing(new Uplinks(this.program, network, options.local, this.handle));
      const { role, local } = options;
      const fixed = { role, port: local.port, tunnel: this.tunnelIndex, mark: markFrom(entropy) };
      this.config = new ProgramConfig(this.program.map('config'), fixed);
      this.proofs = this.makeProofs(entropy);
      this.configure();
      this.egress = this.attachToTunnel();
      this.closing({ close: () => this.egress.close() });
      // A filter that cannot be taken away (kernels before 6.6: that needs a descriptor) would go on carrying.
      this.undo.push(() => this.config.switchOff());
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
    const ofProcess = { ...this.notDone, ...this.proofs.counters };
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

  setOwn(address: Ipv6 | undefined): void {
    if (this.closed || this.config.hasOwn(address)) return;
    this.own = address?.slice();
    this.guarded(() => this.orForget(() => this.configure()));
  }

  setServed(prefixes: readonly Ipv6Prefix[]): void {
    this.prefixes = prefixes;
    this.guarded(() => this.orForget(() => this.served.set(prefixes)));
  }

  offload(buffer: Uint8Array, offset: number, address: Ipv4, port: number, heardAtMs: number): void {
    this.queue.push({ peer: buffer.slice(offset, offset + 16), place: { address, port }, heardAtMs });
  }

  unload(buffer: Uint8Array, offset: number): void {
    this.queue.push({ peer: buffer.slice(offset, offset + 16), place: undefined, heardAtMs: 0 });
  }

  refused(buffer: Uint8Array, offset: number): void {
    if (!this.closed) this.proofs.handleRefusal(buffer.slice(offset, offset + 16), this.clock.now());
  }

  pathOf(peer: Ipv6): CarriedPath {
    const state = this.closed ? undefined : this.peers.state(peer, this.nowNs);
    return state === undefined ? { way: 'none' } : carriedPath(state, this.nowNs, this.stretch);
  }

  unreported(peer: Ipv6): PeerTraffic {
    const carried = emptyCarried();
    if (!this.closed) this.peers.readCarried(peer, carried);
    const { receivedPackets, receivedBytes, sentPackets, sentBytes } = carried;
    return { receivedPackets, receivedBytes, sentPackets, sentBytes };
  }

  report(): void {
    if (!this.closed) this.fetch();
  }

  forget(): void {
    this.guarded(() => this.forgetPeers());
  }

  flush(): void {
    if (this.queue.length === 0) return;
    const queue = this.queue;
    this.queue = [];
    this.guarded(() => this.followOffers(queue));
    this.fetchLater();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cancelTimer?.();
    this.cancelReset?.();
    this.debounce.close();
    const left = this.undo.toReversed().filter((step) => !isDone(step));
    // Where descriptors were short, there are some now that all the rest is closed.
    for (const step of left) isDone(step);
  }

  /** It is closed with this, what came last first. */
  private closing<T extends { close(): boolean | void }>(part: T): T {
    this.undo.push(() => part.close());
    return part;
  }

  /** What the kernel no longer does here the process does: the handlers hear of it, but never from inside a method of this. */
  private guarded(action: () => void): void {
    if (this.closed) return;
    try {
      action();
    } catch (error) {
      // The host's links or routes have changed while they were listed, again and again, or descriptors or memory are short: all is offered
      // anew when it is quieter.
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
    try {
      this.forgetPeers();
    } catch {
      // The table goes with the program, and with it what was not reported yet.
    }
    this.close();
    handlers?.onLost(new Error(`the kernel path has failed: ${error.message}`, { cause: error }));
  }

  private followOffers(offers: readonly Offer[]): void {
    followOffers(
      offers,
      (peer) => this.takeOut(peer),
      (peer, place, heardAtMs) => this.putIn(peer, place, heardAtMs),
    );
  }

  private putIn(peer: Uint8Array, { address, port }: Endpoint, heardAtMs: number): void {
    const uplink = this.uplinks.towards(address);
    if (uplink === undefined) {
      this.notDone.notOffered++;
      this.takeOut(peer);
      return;
    }
    const heardAt = heardAtMs * 1e6 + this.nsAhead;
    const carried = emptyCarried();
    const error = this.peers.put(peer, 0, address, port, uplink, heardAt, this.nowNs, carried);
    this.reports.addTaken(peer, 0, carried);
    if (error === 0) return this.proofs.handlePlace(peer);
    this.notDone.offersRefused++;
    this.takeOut(peer);
  }

  private takeOut(peer: Uint8Array): void {
    this.proofs.drop(peer);
    this.take(peer);
  }

  private take(peer: Uint8Array): void {
    const carried = emptyCarried();
    if (this.peers.take(peer, 0, carried)) this.reports.addTaken(peer, 0, carried);
  }

  /** A peer whose entry cannot be changed is carried no longer: taking it out needs no memory. */
  private setWay(peer: Uint8Array, way: Way, failures: number, noticeAfterMs: number): void {
    if (!this.peers.setWay(peer, way, failures, noticeAfterMs * 1e6 + this.nsAhead)) this.take(peer);
  }

  /** Where something cannot be changed now, no peer is carried as before. */
  private orForget(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.forgetPeers();
      throw error;
    }
  }

  /** Links, addresses or routes have changed, of all that this host has. */
  private follow(): void {
    if (!this.uplinks.areAsBefore()) return this.reset();
    if (this.uplinks.isCrowded) return this.resetInTurn();
    const changed = this.uplinks.follow();
    this.movePeers(changed);
    this.uplinks.knowRoutes();
    // Who could not be carried before is not known here; user space goes on carrying them meanwhile.
    if ([...changed.values()].includes(undefined)) this.resetInTurn();
  }

  private lookLater(): void {
    this.cancelLook = this.clock.setTimer(this.clock.now() + LOOK_MS, () => {
      this.lookLater();
      this.guarded(() => this.config.followTtl());
      this.guarded(() => this.lookAtAttachments());
      if (this.uplinks.lookAtRules()) this.debounce.trigger();
    });
  }

  /** Before kernel 6.6 the programs are filters, which others can take away without a message. */
  private lookAtAttachments(): void {
    const isAtTunnel = this.egress.isThere();
    if (isAtTunnel && this.uplinks.areAttached) return;
    if (!isAtTunnel) {
      this.egress.close();
      this.egress = this.attachToTunnel();
    }
    this.resetInTurn();
  }

  private attachToTunnel(): Attachment {
    return attach(this.program.program('encap'), this.tunnelIndex, 'egress', this.handle);
  }

  /** Those at such addresses, to where these lead now. */
  private movePeers(changed: ReadonlyMap<Ipv4, unknown>): void {
    if (changed.size === 0) return;
    const moved: Offer[] = [];
    this.peers.forEach((peer, address, port) => {
      if (changed.has(address))
        moved.push({ peer: peer.slice(), place: { address, port }, heardAtMs: -Infinity });
    });
    this.followOffers(moved);
    this.fetchLater();
  }

  /** What leads where has changed: all peers have to be offered anew. */
  private reset(): void {
    this.cancelReset?.();
    this.cancelReset = undefined;
    // First: what follows may be refused, and until it is done again the process does the work.
    this.forgetPeers();
    this.uplinks.reset();
    // What could not be set before may be now.
    this.configure();
    this.served.set(this.prefixes);
    this.handlers?.onReset();
  }

  /** On a router some route or other changes all the time. */
  private resetInTurn(): void {
    if (this.cancelReset !== undefined) return;
    const now = this.clock.now();
    this.lastInTurn = Math.max(now, this.lastInTurn + RESET_SPACING_MS);
    if (this.lastInTurn === now) this.reset();
    else this.cancelReset = this.clock.setTimer(this.lastInTurn, () => this.guarded(() => this.reset()));
  }

  private forgetPeers(): void {
    this.fetch();
    this.proofs.clear();
    try {
      this.peers.clear((peer, carried) => this.reports.addTaken(peer, 0, carried));
    } catch (error) {
      this.config.switchOff();
      throw error;
    } finally {
      this.reports.flush();
    }
  }

  private fetchLater(): void {
    if (this.closed) return;
    const at = Math.min(this.clock.now() + REPORT_INTERVAL_MS, this.proofs.pollTimeout());
    if (at >= this.timerAt) return;
    this.cancelTimer?.();
    this.timerAt = at;
    this.cancelTimer = this.clock.setTimer(at, () => {
      this.cancelTimer = undefined;
      this.timerAt = Infinity;
      this.guarded(() => this.fetch());
    });
  }

  private fetch(): void {
    this.ring.drain((view, offset, length) => {
      if (length === REPORT.SIZE) this.reports.addRecord(view, offset);
      else this.handleNotice(view, offset);
    });
    this.reports.flush();
    this.proofs.handleTimeout(this.clock.now());
    this.stretchTimes();
    if (this.peers.size > 0) this.fetchLater();
  }

  private stretchTimes(): void {
    const stretchBy = (peers: number): number => Math.max(1, Math.ceil(this.peers.size / peers));
    const [stretch, renewalStretch] = [stretchBy(PEERS_WITHOUT_STRETCH), stretchBy(PEERS_PER_RENEWAL)];
    if (stretch === this.stretch && renewalStretch === this.renewalStretch) return;
    this.stretch = stretch;
    this.renewalStretch = renewalStretch;
    this.guarded(() => this.configure());
  }

  private handleNotice(view: DataView, offset: number): void {
    const addressAt = (at: number): Uint8Array =>
      new Uint8Array(view.buffer, view.byteOffset + offset + at, 16);
    const now = this.clock.now();
    const peer = addressAt(NOTICE.peer);
    const kind = view.getUint32(offset + NOTICE.kind, true);
    if (kind === NOTICE_KIND.wanted || kind === NOTICE_KIND.silent) {
      this.proofs.want(peer, addressAt(NOTICE.source), now, kind === NOTICE_KIND.silent);
    } else if (kind === NOTICE_KIND.answered) {
      this.reports.addHeard(peer, now);
      this.proofs.handleAnswer(peer, now);
    }
  }

  private makeProofs(entropy: Entropy): PathProofs {
    const { peers } = this;
    const inject = this.program.program('inject');
    return new PathProofs(
      {
        state: (peer) => {
          const state = peers.state(peer, this.nowNs);
          return state && { ...state, lastReceivedMs: (state.lastReceived - this.nsAhead) / 1e6 };
        },
        setWay: (peer, way, failures, noticeAfterMs) => this.setWay(peer, way, failures, noticeAfterMs),
        renewAt: (peer, atMs) => {
          const state = peers.state(peer, this.nowNs);
          const noticeAfterMs = atMs - RENEWAL_MS * this.renewalStretch + NOTICE_SPACING_MS;
          if (state) this.setWay(peer, state.way, state.failures, noticeAfterMs);
        },
      },
      new ProofMap(this.program.map('proofs')),
      (packet, way) => {
        const isSent = injectFrame(inject, packet, way);
        if (!isSent) this.notDone.proofsNotSent++;
        return isSent;
      },
      entropy,
      undefined,
      this.options.limitHits,
    );
  }

  private get nowNs(): number {
    return this.clock.now() * 1e6 + this.nsAhead;
  }

  private configure(): void {
    const { own, stretch } = this;
    this.config.set({ own, stretch, renewalMs: RENEWAL_MS * this.renewalStretch });
  }
}

/** Does a step of the end. False: the system refuses it for now. What it throws keeps no other step from being done. */
function isDone(step: () => boolean | void): boolean {
  try {
    return step() !== false;
  } catch (error) {
    countSystemFailure(error);
    return true;
  }
}

/** What tells the programs a proof by: not 0, and the lowest bits are left for the way. */
function markFrom(entropy: Entropy): number {
  const bytes = new Uint8Array(4);
  entropy.fill(bytes);
  return ((readUint32(bytes, 0) | 4) & ~3) >>> 0;
}
