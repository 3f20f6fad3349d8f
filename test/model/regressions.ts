/** Worlds that have found a bug: the seed, and the bug. */
export const REGRESSIONS: readonly (readonly [seed: number, why: string])[] = [];
