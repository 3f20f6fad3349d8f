import type { LinkStore } from '../../linux/bpf/link-store.ts';
import type { Handover } from '../ports.ts';
import { readWays, writeWays } from './left-ways.ts';
import type { ProvenWay } from './left-ways.ts';

/** Everything that a kernel path has from a predecessor, and leaves to a successor. */
export class KernelPathHandover {
  readonly links: LinkStore;
  private readonly ways: Handover;

  constructor(links: LinkStore, ways: Handover) {
    this.links = links;
    this.ways = ways;
  }

  /** The proven ways of the predecessor, if its programs have carried up to now. They are removed: after a later start they would be too old. */
  takeWays(): Map<string, ProvenWay> {
    const left = this.ways.takeLeft();
    if (left === undefined) return new Map();
    this.leaveWays([]);
    return this.links.hasLeft ? readWays(left.state) : new Map();
  }

  leaveWays(proven: readonly ProvenWay[]): void {
    const next = this.ways.replace();
    next.add(writeWays(proven));
    next.end();
  }
}
