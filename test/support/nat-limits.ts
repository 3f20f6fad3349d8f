import type { NatBehaviour } from '../../src/lab/index.ts';

/** Kinds of NAT by what they do with ports: one for all peers, or another for each. */
export const STABLE: readonly NatBehaviour[] = ['full-cone', 'address-restricted', 'port-restricted'];
export const SYMMETRIC: readonly NatBehaviour[] = ['symmetric-sequential', 'symmetric-random'];
export const KINDS = [...STABLE, ...SYMMETRIC];

/** RFC 4380 section 5.2.4 is enough, or RFC 6081 is, or ports are guessed (docs/adr/0016). */
export const [PLAIN_MS, EXTENDED_MS, GUESSED_MS] = [1_000, 2_000, 10_000];

/** How long the first reply between two of them may take; undefined: it never comes. */
export function limitOf(a: NatBehaviour, b: NatBehaviour): number | undefined {
  if (STABLE.includes(a) && STABLE.includes(b)) return PLAIN_MS;
  if (SYMMETRIC.includes(a) && SYMMETRIC.includes(b)) {
    return a === 'symmetric-random' || b === 'symmetric-random' ? undefined : GUESSED_MS;
  }
  const isGuessed = [a, b].includes('symmetric-random') && [a, b].includes('port-restricted');
  return isGuessed ? GUESSED_MS : EXTENDED_MS;
}

/**
 * What two NATs in a row are together: a port that the inner one makes up for each peer is another one outside, whatever the outer does, unless that
 * makes one up itself; who gets in, both have to let in.
 */
export function inARow(outer: NatBehaviour, inner: NatBehaviour): NatBehaviour {
  if (SYMMETRIC.includes(outer)) return outer;
  if (SYMMETRIC.includes(inner)) return inner;
  return STABLE[Math.max(STABLE.indexOf(outer), STABLE.indexOf(inner))]!;
}
