import type { OffloadingMachine } from '../core/machine.ts';
import { NO_TRAFFIC, addTraffic } from '../core/peer-traffic.ts';
import type { PeerTraffic, UnreportedTraffic } from '../core/peer-traffic.ts';
import { EnvironmentError } from '../io/errors.ts';
import type { CancelTimer, CarriedPath, Clock, KernelPath, Udp, UplinkState } from '../io/ports.ts';
import { inTurns } from '../io/kernel-path/in-turns.ts';
import { countSystemFailure, isShortage } from '../io/system-failures.ts';
import type { Ipv6 } from '../wire/index.ts';
import type { Driver } from './driver.ts';
import { SOMEWHERE } from './local-network.ts';

/** `kernel`: or fail to start; `auto`: the kernel where it can, else this process; `user`: this process. */
export const DATA_PATH_WISHES = ['auto', 'kernel', 'user'] as const;
export type DataPathWish = (typeof DATA_PATH_WISHES)[number];

/**
 * The data path that carries the packets of verified peers: where it is not the kernel, the reason, unless that was the wish; where it is,
 * the rules of the host that could not be read.
 */
export type DataPath =
  | { readonly kind: 'kernel'; readonly unknown?: string }
  | { readonly kind: 'user'; readonly reason?: string };

/** Peers that the kernel carries, and its traffic up to now. */
export interface CarriedTotals {
  /** Peers in the kernel's table. */
  readonly peers: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  /** The interfaces by which peers are reached; none when it has ended. */
  readonly uplinks: readonly UplinkState[];
  /** Packets in the kernel by verdict and reason; empty when it has ended. */
  readonly counters: Readonly<Record<string, number>>;
}

const COLUMNS = ['receivedPackets', 'receivedBytes', 'sentPackets', 'sentBytes'] as const;

type Carried = Pick<CarriedTotals, 'receivedPackets' | 'receivedBytes' | 'sentPackets' | 'sentBytes'>;

/** Access to a kernel path: opens it (throws an EnvironmentError where there can be none) and configures it. */
export interface KernelPathSource {
  open(): KernelPath;
  configure(kernelPath: KernelPath): void;
  /** There is no kernel path: removes the remains of that of a killed process. */
  removeLeft(): void;
  /** Where the datagrams come in that it leaves. One that the kernel has merged with others it could not carry. */
  readonly udp: Udp;
}

/** A kernel path that has ended by itself, or that descriptors or memory were short for, is tried again after this, then each time twice as long. */
const [AGAIN_MS, AGAIN_MOST_MS] = [15_000, 960_000];

/** One role's use of a kernel path: as it is wished, as far as it can be had, for as long as it lasts. */
export class DataPathUse {
  private readonly driver: Driver;
  private readonly machine: OffloadingMachine;
  private readonly onChange: (path: DataPath) => void;
  private readonly clock: Clock;
  private cancelAgain: CancelTimer | undefined;
  private againMs = AGAIN_MS;
  private wish: DataPathWish;
  private source: KernelPathSource | undefined;
  private opened: KernelPath | undefined;
  /** Totals of the kernel paths before the latest. */
  private past: Carried = { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 };
  private path: DataPath;

  /** `onChange`: the kernel path has ended by itself, or is wished otherwise. */
  constructor(
    wish: DataPathWish | undefined,
    driver: Driver,
    machine: OffloadingMachine,
    clock: Clock,
    onChange: (path: DataPath) => void,
  ) {
    this.clock = clock;
    this.wish = wish ?? 'auto';
    this.driver = driver;
    this.machine = machine;
    this.onChange = onChange;
    this.path = this.wish === 'user' ? { kind: 'user' } : { kind: 'user', reason: 'not started' };
  }

  /** While it is in use. */
  get port(): KernelPath | undefined {
    return this.path.kind === 'kernel' ? this.opened : undefined;
  }

  get dataPath(): DataPath {
    const unknown = this.port?.unknown;
    return unknown === undefined || this.path.kind === 'user' ? this.path : { kind: 'kernel', unknown };
  }

  /** Undefined where there never was one. */
  get totals(): CarriedTotals | undefined {
    if (this.opened === undefined) return undefined;
    const { port } = this;
    return {
      peers: port?.size ?? 0,
      ...added(this.past, this.opened),
      uplinks: port?.uplinkStates ?? [],
      counters: { ...port?.counters },
    };
  }

  /** Traffic of the process, together with that of the kernel. */
  withCarried(own: PeerTraffic): PeerTraffic {
    return this.opened === undefined ? own : addTraffic(own, added(this.past, this.opened));
  }

  /** How far the packets of the peer with this address are carried. */
  pathOf(peer: Ipv6): CarriedPath {
    return this.port?.pathOf(peer) ?? { way: 'none' };
  }

  /** Packets and octets to and from a peer, of both data paths, up to now; undefined: the machine knows no such peer. */
  trafficOf(peer: Ipv6): PeerTraffic | undefined {
    const { port, machine } = this;
    if (port === undefined) return machine.trafficOf(peer);
    port.reportPeers();
    const before = machine.trafficOf(peer);
    let rest: PeerTraffic = port.unreported(peer);
    port.reportPeers();
    const reported = machine.trafficOf(peer);
    // The kernel has reported it in between: the rest has come since.
    if (before === undefined || reported === undefined) return reported;
    if (COLUMNS.some((column) => reported[column] !== before[column])) rest = port.unreported(peer);
    return addTraffic(reported, rest);
  }

  /**
   * Calls back with each peer of which the kernel has carried packets that it has not reported, and their octets; the machine has counted those
   * that it has reported. Some peers at each step.
   */
  *unreportedOctets(see: (peer: Ipv6, octets: number) => void): Generator<void> {
    const { port } = this;
    if (port === undefined) return;
    port.reportPeers();
    const steps = port.unreportedOctets((peer, octets) => {
      if (octets > 0) see(peer, octets);
    });
    for (const _ of steps) {
      yield;
      port.reportPeers();
    }
  }

  /** Has the machine count the reports of the kernel up to now; of very many reports some. */
  report(): void {
    this.port?.report();
  }

  /** Resolves when the machine has counted all that the kernel has reported up to now. */
  reportAll(): Promise<void> {
    const steps = this.port?.reportInTurns?.();
    return (steps && inTurns(this.clock, steps)) ?? Promise.resolve();
  }

  /** Packets of a peer that the kernel has carried, but not reported: those of some seconds at most, up to its last packet. */
  unreportedOf(peer: Ipv6): UnreportedTraffic {
    return this.port?.unreported(peer) ?? { ...NO_TRAFFIC, lastAt: -Infinity };
  }

  /** From now on there can be one. Throws why there is none, where the wish allows no other. */
  start(source: KernelPathSource): void {
    this.source = source;
    if (this.wish !== 'user') this.open();
    if (this.path.kind === 'user') source.removeLeft();
  }

  /** Changes the wish, at once where it runs. Throws as {@link start}; all stays as it was then. */
  set(wish: DataPathWish): void {
    const before = this.wish;
    const isToBeTriedAgain = this.cancelAgain !== undefined;
    this.wish = wish;
    if (this.source === undefined) return;
    try {
      if (wish === 'user') this.end();
      else if (this.path.kind === 'user') this.open();
      else return;
    } catch (error) {
      this.wish = before;
      if (isToBeTriedAgain && this.cancelAgain === undefined) this.openLater();
      throw error;
    }
    this.onChange(this.path);
  }

  /** The kernel path that is in use is replaced by one for more peers; meanwhile the process carries, and nothing is lost. */
  reopen(): void {
    if (this.path.kind !== 'kernel') return;
    this.end();
    try {
      this.open();
    } catch (error) {
      // The wish allows only the kernel, which refuses now: the process carries until it can be had again.
      this.path = { kind: 'user', reason: (error as Error).message };
      countSystemFailure(error);
      this.openLater();
    }
    if (this.port === undefined) this.onChange(this.path);
  }

  private open(): void {
    this.close();
    const source = this.source!;
    const before = this.opened;
    try {
      this.opened = source.open();
      if (before !== undefined) this.past = added(this.past, before);
    } catch (error) {
      if (this.wish === 'kernel' || !(error instanceof EnvironmentError)) throw error;
      this.path = { kind: 'user', reason: error.message };
      countSystemFailure(error);
      if (isShortage(error)) this.openLater();
      return;
    }
    this.path = { kind: 'kernel' };
    const openedAt = this.clock.now();
    try {
      source.udp.mergeRuns(false);
      source.configure(this.opened);
      this.driver.attachKernelPath(this.opened, this.machine, (reason) => {
        source.udp.mergeRuns(true);
        this.path = { kind: 'user', reason: reason.message };
        // One that has lasted is worth the same as the first.
        if (this.clock.now() - openedAt > AGAIN_MOST_MS) this.againMs = AGAIN_MS;
        this.openLater();
        this.onChange(this.path);
      });
      this.opened.makeReady?.(SOMEWHERE);
    } catch (error) {
      this.opened.close();
      this.opened = undefined;
      this.end();
      throw error;
    }
  }

  /** The kernel carries on, though this process ends, until a successor takes over; where that is possible. */
  leave(): void {
    this.port?.leave?.();
  }

  /** No more is tried. */
  close(): void {
    this.cancelAgain?.();
    this.cancelAgain = undefined;
  }

  private openLater(): void {
    this.close();
    this.cancelAgain = this.clock.setTimer(this.clock.now() + this.againMs, () => {
      this.cancelAgain = undefined;
      try {
        this.open();
      } catch (error) {
        // It cannot be opened: the process carries, as when one has ended.
        countSystemFailure(error);
      }
      if (this.path.kind === 'kernel') this.onChange(this.path);
      else if (this.cancelAgain === undefined) this.openLater();
    });
    this.againMs = Math.min(2 * this.againMs, AGAIN_MOST_MS);
  }

  private end(): void {
    this.close();
    this.driver.detachKernelPath();
    this.source?.udp.mergeRuns(true);
    this.path = { kind: 'user' };
  }
}

function added(past: Carried, { counters }: KernelPath): Carried {
  return addTraffic(past, {
    receivedPackets: counters['carriedIn']!,
    receivedBytes: counters['carriedInBytes']!,
    sentPackets: counters['carriedOut']!,
    sentBytes: counters['carriedOutBytes']!,
  });
}
