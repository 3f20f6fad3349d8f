import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/**
 * Seconds that the slowest files take, waiting included. If one of them began last it would run alone at the end. Rough values
 * are enough; files not listed take less.
 */
export const SLOW: ReadonlyMap<string, number> = new Map([
  ['kernel/found-again', 150],
  ['kernel/coming-back', 135],
  ['interop/combinations', 100],
  ['kernel/path-proof', 95],
  ['kernel/netcheck', 90],
  ['kernel/nothing-lost', 75],
  ['kernel/nat-pairs', 65],
  ['kernel/host-firewall', 60],
  ['kernel/access', 55],
  ['attack/nat-traversal', 50],
  ['kernel/server-firewall', 50],
  ['kernel/commands', 45],
  ['kernel/bench', 45],
  ['kernel/data-paths', 40],
  ['kernel/gateway-restarts', 40],
  ['kernel/port-mapping', 40],
  ['kernel/topologies', 40],
  ['attack/relay', 35],
  ['kernel/outer-checksums', 35],
  ['kernel/gateway-mute', 32],
  ['attack/newcomers', 38],
  ['cli/status', 36],
  ['kernel/restart-client', 32],
  ['kernel/exec', 31],
  ['kernel/relay-workers', 31],
  ['kernel/arrivals', 31],
  ['kernel/refusals', 30],
  ['kernel/xdp', 29],
  ['kernel/restart', 27],
  ['attack/neighbour', 27],
  ['kernel/hole-punching', 27],
  ['kernel/server-uplinks', 26],
  ['kernel/uplink-kinds', 24],
  ['contract/kernel-path', 24],
  ['attack/server-forwarding', 24],
  ['kernel/client-workers', 24],
  ['attack/client', 23],
  ['kernel/proxy', 20],
  ['kernel/restart-server', 20],
  ['kernel/words', 19],
  ['kernel/ending', 19],
  ['attack/local-user', 18],
  ['kernel/uplink-changes', 18],
  ['attack/server-solicitations', 16],
]);

/** Runs the slowest files first, then the others in their usual order. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => secondsOf(b.moduleId) - secondsOf(a.moduleId));
  }
}

/** By the name of the file and its folder, without `.test.ts`. */
export function secondsOf(file: string): number {
  const name = /[^/]+\/[^/]+(?=\.test\.ts$)/.exec(file)?.[0];
  return SLOW.get(name ?? '') ?? 0;
}
