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
  findPair,
  makePair,
  preparePair,
  removeLeftPairs,
  removePair,
  worksPair,
} from '../../linux/merging-pair.ts';
import type { MergingPair } from '../../linux/merging-pair.ts';
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

export interface MergingOptions {
  readonly program: PeerProgram;
  readonly config: ProgramConfig;
  readonly wish: MergeWish;
  /** The name of the tunnel. */
  readonly tunnel: string;
  /** Of the filter at the second end, before kernel 6.6. */
  readonly handle: number;
  /** Whether packets go on to other hosts. */
  readonly forwards: boolean;
  readonly links?: LinkStore | undefined;
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
  /** A predecessor's programs still send to its pair. */
  private hasPredecessor: boolean;

  constructor(options: MergingOptions) {
    this.options = options;
    this.queues = new PairQueues(options.program.map('pair_queues'), QUEUES);
    this.hasPredecessor = options.links?.hasLeft === true;
    if (!this.hasPredecessor) removePairOf(options.tunnel, options.wish !== 'off');
  }

  /** Packets that got lost in the pair. */
  get lost(): number {
    return this.queues.lost;
  }

  /** The index of the first end, to which the programs send segments that come from these interfaces; 0: they are not merged. */
  indexFor(ingress: readonly Link[], hasXdp: boolean): number {
    if (this.reasonNotWanted(ingress, hasXdp) !== undefined) return 0;
    if (this.pair === undefined && this.refusal === undefined) this.make();
    return this.pair?.first.ifindex ?? 0;
  }

  /** Why segments that come from these interfaces are not merged; undefined: they are. */
  reasonAgainst(ingress: readonly Link[], hasXdp: boolean): string | undefined {
    const reason = this.reasonNotWanted(ingress, hasXdp);
    if (reason !== undefined || this.pair !== undefined) return reason;
    return this.refusal === undefined ? 'not made yet' : refusalInWords(this.refusal);
  }

  /** True if the pair has to be made again, which {@link indexFor} does: another process has changed it, or it was refused because of a shortage. */
  look(): boolean {
    if (this.pair === undefined) {
      const isToBeTriedAgain = isShortage(this.refusal);
      if (isToBeTriedAgain) this.refusal = undefined;
      return isToBeTriedAgain;
    }
    if (this.works(this.pair)) {
      this.queues.look();
      return false;
    }
    this.attachment!.close();
    this.pair = this.attachment = undefined;
    return true;
  }

  /** What was refused may be permitted now. */
  forgetRefusal(): void {
    this.refusal = undefined;
  }

  /** A predecessor's programs send there no longer. */
  tookOver(): void {
    this.hasPredecessor = false;
    if (this.pair === undefined) removePairOf(this.options.tunnel, false);
  }

  /** Waits some ms at most for the packets that are in the pair. */
  waitUntilEmpty(): void {
    const end = performance.now() + EMPTY_WITHIN_MS;
    while (!this.queues.areEmpty() && performance.now() < end);
  }

  /** False where the system refuses for now to take the program away: this may be called again. */
  close(): boolean {
    if (this.attachment?.close() === false) return false;
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
      .filter((name) => name !== 'lo' && name !== tunnel)
      .slice(0, MOST_WITH_IPV6)
      .find((name) => featuresOf(name)?.active.has(TSO) !== true);
  }

  private make(): void {
    const { program, config, tunnel, handle, links } = this.options;
    try {
      const pair = findPair(tunnel, readLinks()) ?? makePair(tunnel, QUEUES);
      preparePair(pair);
      this.queues.clear();
      config.setPair(pair.first.linkAddress);
      config.write();
      this.attachment = attach(program.program('merged'), pair.second.ifindex, 'ingress', handle, links);
      this.pair = pair;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      countSystemFailure(error);
      this.refusal = error;
      if (!this.hasPredecessor) removePairOf(tunnel, false);
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

/** Removes what killed processes have left: the pair of this tunnel, unless it `isWanted`, and pairs of tunnels that do not exist. Throws never. */
export function removePairOf(tunnel: string, isWanted: boolean): void {
  try {
    const links = readLinks();
    const pair = isWanted ? undefined : findPair(tunnel, links);
    if (pair !== undefined) removePair(pair);
    removeLeftPairs(links);
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
