import type { NatBehaviour } from '../../src/lab/index.ts';

/** Kinds of NAT by their ports: one for all peers, or another one for each peer. */
export const STABLE: readonly NatBehaviour[] = ['full-cone', 'address-restricted', 'port-restricted'];
export const SYMMETRIC: readonly NatBehaviour[] = ['symmetric-sequential', 'symmetric-random'];
export const KINDS = [...STABLE, ...SYMMETRIC];

/** Limits with RFC 4380 section 5.2.4, with RFC 6081, and with guessed ports (docs/adr/0016). */
export const [PLAIN_MS, EXTENDED_MS, GUESSED_MS] = [1_000, 2_000, 10_000];

/** The longest time to the first reply between two of them; undefined: it never comes. */
export function limitOf(a: NatBehaviour, b: NatBehaviour): number | undefined {
  if (STABLE.includes(a) && STABLE.includes(b)) return PLAIN_MS;
  if (SYMMETRIC.includes(a) && SYMMETRIC.includes(b)) {
    return a === 'symmetric-random' || b === 'symmetric-random' ? undefined : GUESSED_MS;
  }
  const isGuessed = [a, b].includes('symmetric-random') && [a, b].includes('port-restricted');
  return isGuessed ? GUESSED_MS : EXTENDED_MS;
}

/**
 * The kind that two NATs in series have together. If the inner one uses another port for each peer, the outer ports differ, too, unless the outer
 * one chooses ports for each peer itself. Packets from outside have to pass both.
 */
export function inARow(outer: NatBehaviour, inner: NatBehaviour): NatBehaviour {
  if (SYMMETRIC.includes(outer)) return outer;
  if (SYMMETRIC.includes(inner)) return inner;
  return STABLE[Math.max(STABLE.indexOf(outer), STABLE.indexOf(inner))]!;
}
