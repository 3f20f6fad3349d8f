/** Parts of limits, for parties that share a role's work: all together do not exceed the limit. */
import type { FairLimits } from './fair-budget.ts';
import type { BucketLimits } from './token-buckets.ts';

/** The most workers of a role: each has its own sockets and its own tables. */
export const MOST_WORKERS = 8;

/** A limit that is too small to be divided: by its name, with the least that could be. */
export interface Indivisible {
  readonly name: string;
  readonly value: number;
  readonly least: number;
}

export function fairPart({ shared, member, reserve }: FairLimits, part: number): FairLimits {
  return {
    shared: bucketPart(shared, part),
    member: bucketPart(member, part),
    reserve: bucketPart(reserve, part),
  };
}

/** The burst is at least 1: with less, a bucket would never give a whole token. */
export function bucketPart({ perSecond, burst, ceiling }: BucketLimits, part: number): BucketLimits {
  const wholeToken = (tokens: number): number => Math.max(tokens * part, Math.min(tokens, 1));
  return {
    perSecond: perSecond * part,
    burst: wholeToken(burst),
    ...(ceiling === undefined ? {} : { ceiling: wholeToken(ceiling) }),
  };
}
