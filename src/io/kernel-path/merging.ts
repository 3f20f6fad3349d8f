import { attach } from '../../linux/bpf/attachment.ts';
import type { Attachment } from '../../linux/bpf/attachment.ts';
import { MAX_PAIR_QUEUES } from '../../linux/bpf/layout.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import { PairQueues } from '../../linux/bpf/pair-queues.ts';
import type { PeerProgram } from '../../linux/bpf/peer-program.ts';
import { possibleProcessors } from '../../linux/bpf/processors.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { readLinks } from '../../linux/links.ts';
import type { Link } from '../../linux/links.ts';
import {
  addressOf,
  findPair,
  pairFor,
  preparePair,
  removeLeftPairs,
  worksPair,
} from '../../linux/merging-pair.ts';
import type { MergingPair, Tunnel } from '../../linux/merging-pair.ts';
import { featuresOf } from '../../linux/offloads.ts';
import { ipv6Addresses } from '../../linux/proc.ts';
import { countSystemFailure, isShortage } from '../../linux/system-failures.ts';
import { isNative } from '../../wire/index.ts';
import type { MergeWish } from '../ports.ts';
import type { ProgramConfig } from './program-config.ts';

/** Where it is off, the host wants no merged packets. */
const GRO = 'rx-gro';
/** Where it is off, the kernel cuts merged packets again, which costs what the merging saves. */
const TSO = 'tx-tcp6-segmentation';
/** The most interfaces with IPv6 that are examined. */
const MOST_WITH_IPV6 = 16;
/** More queues than this have no use: several processors share one then. */
export const QUEUES = Math.min(possibleProcessors(), MAX_PAIR_QUEUES);

/** The packets in the pair leave it within microseconds, unless other work has the processor. */
const EMPTY_WITHIN_MS = 20;
const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

export interface MergingOptions {
  readonly program: PeerProgram;
  readonly config: ProgramConfig;
  readonly wish: MergeWish;
  readonly tunnel: Tunnel;
  /** Of the filter at the second end, before kernel 6.6. */
  readonly handle: number;
  /** Whether packets go on to other hosts. */
  readonly forwards: boolean;
  readonly links?: LinkStore | undefined;
}

/** Whether segments are merged. `pair`: the index of the first end, to which the programs send them; 0: they are not merged, and there is a reason. */
export interface MergingChoice {
  readonly pair: number;
  readonly reason: string | undefined;
}

/**
 * The pair of interfaces in which the kernel merges the TCP segments that `decap` unwraps (adr/0036). Without it everything works, too: `decap` hands
 * segments to the tunnel one by one. A pair of a predecessor, or of a killed process, is used further. No method throws because of the pair.
 */
export class Merging {
  private readonly options: MergingOptions;
  private readonly queues: PairQueues;
  private pair: MergingPair | undefined;
  private attachment: Attachment | undefined;
  private refusal: SystemCallError | undefined;
  /** Descriptors or memory were too short to find out whether segments are to be merged. */
  private isUnknown = false;
  /** A predecessor's programs still send to its pair. */
  private hasPredecessor: boolean;

  constructor(options: MergingOptions) {
    this.options = options;
    this.queues = new PairQueues(
      options.program.map('pair_queues'),
      options.program.map('pair_looks'),
      QUEUES,
    );
    this.hasPredecessor = options.links?.hasLeft === true;
    if (!this.hasPredecessor) removePairOf(options.tunnel, options.wish !== 'off');
  }

  /** The index of the first end; 0: there is no pair. */
  get pairIndex(): number {
    return this.pair?.first.ifindex ?? 0;
  }

  /** Packets that got lost in the pair. */
  get lost(): number {
    return this.queues.lost;
  }

  /**
   * Whether segments are merged that come from the interfaces which `find` gives, with whether they are unwrapped in a driver. `before`: the last answer,
   * which stays while descriptors or memory are too short to find another one.
   */
  follow(find: () => readonly [readonly Link[], boolean], before?: MergingChoice): MergingChoice {
    try {
      const reason = this.reasonNotWanted(...find());
      if (reason !== undefined) return { pair: 0, reason };
    } catch (error) {
      if (!isShortage(error)) throw error;
      countSystemFailure(error);
      this.isUnknown = true;
      if (before?.pair === this.pairIndex) return before;
      return { pair: 0, reason: `descriptors or memory are short: ${(error as Error).message}` };
    }
    if (this.pair === undefined && this.refusal === undefined) this.make();
    return { pair: this.pairIndex, reason: this.refusal && refusalInWords(this.refusal) };
  }

  /**
   * True if {@link follow} may have another answer now: another process has changed the pair, or descriptors or memory were short before.
   */
  look(): boolean {
    const wasShort = this.isUnknown || isShortage(this.refusal);
    this.isUnknown = false;
    if (isShortage(this.refusal)) this.refusal = undefined;
    if (this.pair === undefined) return wasShort;
    if (this.works(this.pair)) {
      this.queues.look();
      return wasShort;
    }
    this.attachment!.close();
    this.pair = this.attachment = undefined;
    return true;
  }

  /** A refusal counts no longer: the system may permit the pair now. */
  forgetRefusal(): void {
    this.refusal = undefined;
  }

  /** A predecessor's programs send there no longer. */
  tookOver(): void {
    this.hasPredecessor = false;
    if (this.pair === undefined) removePairOf(this.options.tunnel, false);
  }

  /** Whether no packet is in the pair. */
  get isEmpty(): boolean {
    return this.queues.areEmpty();
  }

  /** Waits some ms at most for the packets that are in the pair. Only at the end of a process: meanwhile it does nothing else. */
  waitUntilEmpty(): void {
    const end = performance.now() + EMPTY_WITHIN_MS;
    // The processor is free for the kernel, which may have the packets.
    while (!this.queues.areEmpty() && performance.now() < end) Atomics.wait(NEVER_WOKEN, 0, 0, 1);
  }

  /** False where the system refuses for now to take the program away: this may be called again. */
  close(): boolean {
    if (this.attachment?.close() === false) return false;
    this.pair = this.attachment = undefined;
    removePairOf(this.options.tunnel, false);
    return true;
  }

  private reasonNotWanted(ingress: readonly Link[], hasXdp: boolean): string | undefined {
    const { wish } = this.options;
    if (wish === 'off') return 'switched off';
    if (hasXdp) return 'the program in the driver comes before the merging of the kernel';
    if (wish === 'on') return undefined;
    if (!ingress.every(({ name }) => featuresOf(name)?.active.has(GRO) === true))
      return 'the interface does not merge packets (generic-receive-offload)';
    const cutting = this.cuttingInterface();
    return cutting && `at ${cutting} the kernel would cut merged packets again (tcp-segmentation-offload)`;
  }

  /** An interface to which packets may go on, and that takes only single ones. */
  private cuttingInterface(): string | undefined {
    const { forwards, tunnel } = this.options;
    if (!forwards) return undefined;
    const beyond = ipv6Addresses().filter((one) => isNative(one.address, 0));
    const names = [...new Set(beyond.map(({ interface: name }) => name))];
    return names
      .filter((name) => name !== 'lo' && name !== tunnel.name)
      .slice(0, MOST_WITH_IPV6)
      .find((name) => featuresOf(name)?.active.has(TSO) !== true);
  }

  private make(): void {
    const { program, config, tunnel, handle, links } = this.options;
    try {
      const pair = pairFor(tunnel, QUEUES);
      preparePair(pair);
      this.queues.clear();
      // Not the interface's: udev or another program may have changed it since a predecessor's programs got theirs.
      config.setPair(addressOf(tunnel.name, 'first'));
      config.write();
      this.attachment = attach(program.program('merged'), pair.second.ifindex, 'ingress', handle, links);
      this.pair = pair;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      countSystemFailure(error);
      this.refusal = error;
      removePairOf(tunnel, this.hasPredecessor);
    }
  }

  private works(pair: MergingPair): boolean {
    try {
      return this.attachment!.isAttached() && worksPair(pair);
    } catch (error) {
      countSystemFailure(error);
      return true; // not known
    }
  }
}

/**
 * Removes the pairs that killed processes have left: the pair of this tunnel, unless it `isWanted`, also a half made one, and pairs of tunnels that do not exist. Throws
 * never.
 */
export function removePairOf(tunnel: Tunnel, isWanted: boolean): void {
  try {
    const links = readLinks();
    removeLeftPairs(links, tunnel, isWanted ? findPair(tunnel, links) : undefined);
  } catch (error) {
    countSystemFailure(error);
  }
}

/** For a process with the tunnel of this name that has no kernel path: removes the pairs that killed processes have left. Throws never. */
export function removePairsLeftTo(tunnel: string): void {
  try {
    const links = readLinks();
    const link = [...links.values()].find(({ name }) => name === tunnel);
    if (link !== undefined) removeLeftPairs(links, link);
  } catch (error) {
    countSystemFailure(error);
  }
}

function refusalInWords(error: SystemCallError): string {
  switch (error.code) {
    case 'EOPNOTSUPP':
      return 'the kernel has no virtual interfaces (veth)';
    case 'EPERM':
      return 'no virtual interfaces (veth) may be made';
    case 'EEXIST':
      return 'the names of the virtual interfaces (veth) are taken';
    default:
      return `virtual interfaces (veth) could not be made: ${error.message}`;
  }
}
