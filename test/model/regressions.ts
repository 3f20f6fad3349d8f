/** Worlds that once found a bug: the seed, and what was wrong. */
export const REGRESSIONS: readonly (readonly [seed: number, why: string])[] = [];
