import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/**
 * Seconds that the slowest files take, waiting included. Begun last, one of them would run alone at the end. A rough word is
 * enough; who is not named takes less.
 */
const SLOW: readonly (readonly [file: RegExp, seconds: number])[] = [
  [/interop\/combinations/, 210],
  [/kernel\/coming-back/, 120],
  [/kernel\/nothing-lost/, 75],
  [/kernel\/nat-pairs/, 65],
  [/kernel\/topologies/, 65],
  [/kernel\/bench/, 55],
  [/kernel\/path-proof/, 110],
  [/kernel\/access/, 90],
  [/kernel\/host-firewall/, 70],
  [/kernel\/outer-checksums/, 50],
  [/kernel\/server-firewall/, 60],
  [/kernel\/found-again/, 75],
  [/kernel\/data-paths/, 50],
  [/attack\/relay/, 45],
  [/attack\/client\./, 45],
  [/kernel\/commands/, 40],
  [/kernel\/on-the-wire/, 40],
  [/attack\/server-solicitations/, 40],
];

/** The files that take longest first, then in whatever order they would have. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => secondsOf(b.moduleId) - secondsOf(a.moduleId));
  }
}

function secondsOf(file: string): number {
  return SLOW.find(([pattern]) => pattern.test(file))?.[1] ?? 0;
}
