/** Pairs of symmetric NATs, each for one thing that has to be right there. What becomes of all pairs is in nat-matrix.test.ts. */
import { describe, expect } from 'vitest';
import { NAT_KINDS, tryPair } from '../../src/sim/index.ts';
import type { Dependence, NatOptions, PeerMeans } from '../../src/sim/index.ts';
import { seededTest } from './support/with-seed.ts';

type Ports = NatOptions['ports'];
const [BY_NOBODY, BY_ADDRESS, BY_BOTH] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
] satisfies Dependence[];
const stable = NAT_KINDS.portRestricted;

function symmetric(ports: Ports, filtering: Dependence = BY_BOTH, mapping: Dependence = BY_BOTH): NatOptions {
  const portRange = ports === 'sequential' ? NAT_KINDS.symmetricSequential.portRange : stable.portRange;
  return { ...stable, mapping, filtering, ports, portRange };
}

interface Case {
  readonly what: string;
  readonly a: NatOptions;
  readonly b: NatOptions;
  readonly means: PeerMeans;
  readonly most: number;
  /** Others than the first ones. */
  readonly seeds?: readonly number[];
}

const CASES: readonly Case[] = [
  {
    what: 'a preserved port is opened towards a peer that has named none (E-63, E-66)',
    a: symmetric('preserving'),
    b: stable,
    means: 'random-port',
    most: 500,
  },
  {
    what: 'preserved ports meet at once: nothing else has taken them before (E-65)',
    a: symmetric('preserving'),
    b: symmetric('preserving'),
    means: 'random-port',
    most: 500,
  },
  {
    what: 'an Echo Test goes to where the peer will be',
    a: symmetric('preserving'),
    b: symmetric('sequential'),
    means: 'random-port',
    most: 600,
  },
  {
    what: 'who is heard through a NAT that lets everybody in need not hear us: the other socket is the better way',
    a: symmetric('preserving', BY_NOBODY),
    b: stable,
    means: 'random-port',
    most: 2_000,
  },
  {
    what: 'the two ways of a pair need not be the same',
    a: symmetric('random', BY_NOBODY),
    b: symmetric('preserving', BY_NOBODY),
    means: 'nonce',
    most: 500,
  },
  {
    what: 'a bubble that came before the NAT was opened is followed by another one',
    a: symmetric('preserving', BY_ADDRESS, BY_ADDRESS),
    b: symmetric('random'),
    means: 'random-port',
    most: 2_000,
  },
  {
    what: 'who asks on although it is heard does not hear us: ports are guessed',
    a: symmetric('random', BY_NOBODY),
    b: stable,
    means: 'guess',
    most: 10_000,
  },
  {
    what: 'ports that are preserved and ports that are counted meet in the middle',
    a: symmetric('sequential'),
    b: symmetric('preserving'),
    means: 'guess',
    most: 3_000,
  },
  {
    what: 'a volley whose mapping depends on the address alone has one port',
    a: symmetric('sequential'),
    b: symmetric('sequential', BY_BOTH, BY_ADDRESS),
    means: 'guess',
    most: 3_000,
  },
  {
    what: 'of a volley that is heard as a whole, one bubble has come by a way back',
    a: symmetric('sequential'),
    b: symmetric('sequential', BY_NOBODY),
    means: 'guess',
    most: 5_000,
  },
  {
    what: 'two guesses that are right at once do not part the two',
    a: symmetric('random'),
    b: stable,
    means: 'guess',
    most: 10_000,
    seeds: [70, 107, 129],
  },
  {
    what: 'places of one peer that share a bucket are all answered',
    a: symmetric('preserving', BY_BOTH, BY_ADDRESS),
    b: { ...stable, ports: 'random' },
    means: 'random-port',
    most: 500,
    seeds: [414],
  },
];

describe('between symmetric NATs', () => {
  for (const { what, a, b, means, most, seeds } of CASES) {
    seededTest(what, (first) => {
      for (const seed of seeds ?? [first, first + 1, first + 2]) {
        const outcome = tryPair(a, b, { seed });
        expect(outcome.means).toBe(means);
        expect(outcome.firstReplyMs).toBeLessThanOrEqual(most);
        expect(outcome.backMs).toBeLessThanOrEqual(2_000);
      }
    });
  }

  seededTest('a lost bubble of a volley is made up for by the next one', (first) => {
    const counting = symmetric('sequential');
    const runs = Array.from({ length: 30 }, (_, i) =>
      tryPair(counting, counting, { seed: first + i, loss: 0.05 }),
    );
    expect(runs.filter(({ means }) => means !== undefined).length).toBeGreaterThan(25);
  });
});
