import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/**
 * Seconds that the slowest files take, waiting included. If one of them began last it would run alone at the end. Rough values
 * are enough; files not listed take less.
 */
const SLOW: readonly (readonly [file: RegExp, seconds: number])[] = [
  [/kernel\/found-again/, 150],
  [/kernel\/coming-back/, 135],
  [/interop\/combinations/, 100],
  [/kernel\/path-proof/, 95],
  [/kernel\/netcheck/, 90],
  [/kernel\/nothing-lost/, 75],
  [/kernel\/nat-pairs/, 65],
  [/kernel\/host-firewall/, 60],
  [/kernel\/access/, 55],
  [/attack\/nat-traversal/, 50],
  [/kernel\/server-firewall/, 50],
  [/kernel\/commands/, 45],
  [/kernel\/bench/, 45],
  [/kernel\/data-paths/, 40],
  [/kernel\/gateway-restarts/, 40],
  [/kernel\/port-mapping/, 40],
  [/kernel\/topologies/, 40],
  [/attack\/relay/, 35],
  [/kernel\/outer-checksums/, 35],
  [/kernel\/gateway-mute/, 32],
];

/** Runs the slowest files first, then the others in their usual order. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => secondsOf(b.moduleId) - secondsOf(a.moduleId));
  }
}

function secondsOf(file: string): number {
  return SLOW.find(([pattern]) => pattern.test(file))?.[1] ?? 0;
}
