import type { Opening } from './gateway.ts';
import type { NatBehaviour } from './nat-behaviour.ts';

/** The five kinds of NAT that decide which pairs of clients reach each other (docs/adr/0016). */
export const PEER_KINDS = [
  'full-cone',
  'address-restricted',
  'port-restricted',
  'counting-symmetric',
  'random-symmetric',
] as const;
export type PeerKind = (typeof PEER_KINDS)[number];

export const PEERS_IN_WORDS: Readonly<Record<PeerKind, string>> = {
  'full-cone': 'cone, or none',
  'address-restricted': 'restricted, by address',
  'port-restricted': 'restricted, by port',
  'counting-symmetric': 'symmetric, counting',
  'random-symmetric': 'symmetric, random',
};

/** The means by which two hosts reach each other, in both directions alike: the easiest first. */
const WAYS = ['rfc4380', 'rfc6081', 'guessing', 'none'] as const;
export type Way = (typeof WAYS)[number];

export interface Reach {
  readonly peer: PeerKind;
  readonly way: Way;
  /** Further means that might work, where it is not known which of several kinds our own NAT is, or where a port that the gateway opens leads. */
  readonly atBest?: Way;
}

/** Which peers this host reaches and is reached by, once the gateway has opened the port, if it does. */
export function reachOf(
  behaviour: Pick<NatBehaviour, 'mapping' | 'filtering' | 'portAllocation' | 'portStep'>,
  opening: Opening = 'none',
): Reach[] {
  const own = ownKinds(behaviour);
  const isOpened = OPENED[opening] ?? [false];
  return PEER_KINDS.map((peer) => {
    const ways = own.flatMap((kind) => {
      const way = WAYS.indexOf(wayBetween(kind, peer));
      return isOpened.map((opened) => (opened ? Math.min(way, WAYS.indexOf(BY_GATEWAY)) : way));
    });
    const [best, worst] = [WAYS[Math.min(...ways)]!, WAYS[Math.max(...ways)]!];
    return { peer, way: worst, ...(best === worst ? {} : { atBest: best }) };
  });
}

/** Whether all peers are let in at a pair that peers learn: the possible values. */
const OPENED: Partial<Record<Opening, readonly boolean[]>> = {
  works: [true],
  'unknown-address': [true, false],
};
/** Peers that know RFC 6081 learn it: section 5.3, and the alternate addresses of section 4.3. */
const BY_GATEWAY: Way = 'rfc6081';

/** All kinds that our own NAT may be, by its known properties. */
function ownKinds({
  mapping,
  filtering,
  portAllocation,
  portStep = 0,
}: Pick<NatBehaviour, 'mapping' | 'filtering' | 'portAllocation' | 'portStep'>): readonly PeerKind[] {
  // A client guesses upwards only.
  const countsUp = portAllocation === 'counting' && portStep > 0;
  const isUntold = portAllocation === 'unknown' || portAllocation === 'preserving';
  const symmetric: readonly PeerKind[] = isUntold
    ? ['counting-symmetric', 'random-symmetric']
    : [countsUp ? 'counting-symmetric' : 'random-symmetric'];
  if (mapping === 'address-dependent-or-stricter') return symmetric;
  const stable = STABLE_KINDS[filtering];
  return mapping === 'endpoint-independent' ? stable : [...stable, ...symmetric];
}

const STABLE_KINDS: Readonly<Record<NatBehaviour['filtering'], readonly PeerKind[]>> = {
  'endpoint-independent': ['full-cone'],
  'address-dependent': ['address-restricted'],
  'address-and-port-dependent': ['port-restricted'],
  'address-dependent-or-stricter': ['address-restricted', 'port-restricted'],
  unknown: ['full-cone', 'address-restricted', 'port-restricted'],
};

/** As test/kernel/nat-pairs.test.ts has it. */
function wayBetween(a: PeerKind, b: PeerKind): Way {
  const symmetric = [a, b].filter((kind) => kind === 'counting-symmetric' || kind === 'random-symmetric');
  const isRandom = symmetric.includes('random-symmetric');
  if (symmetric.length === 0) return 'rfc4380';
  if (symmetric.length === 2) return isRandom ? 'none' : 'guessing';
  return isRandom && (a === 'port-restricted' || b === 'port-restricted') ? 'guessing' : 'rfc6081';
}
