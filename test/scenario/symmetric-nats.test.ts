/** Pairs of symmetric NATs, each of which needs one special rule. All pairs are in nat-matrix.test.ts. */
import { describe, expect } from 'vitest';
import { Internet, NAT_KINDS, tryPair } from '../../src/sim/index.ts';
import type { PeerMeans } from '../../src/core/client/index.ts';
import type { Dependence, NatOptions, SimClient } from '../../src/sim/index.ts';
import { expectQualified, pingSteadily } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

type Ports = NatOptions['ports'];
const [INDEPENDENT, BY_ADDRESS, BY_BOTH] = [
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
  /** Seeds to use instead of the first ones. */
  readonly seeds?: readonly number[];
}

const CASES: readonly Case[] = [
  {
    what: 'a preserved port is opened towards a peer that has named no port (E-63, E-66)',
    a: symmetric('preserving'),
    b: stable,
    means: 'random-port',
    most: 500,
  },
  {
    what: 'two preserved ports connect at once: no other mapping uses them (E-65)',
    a: symmetric('preserving'),
    b: symmetric('preserving'),
    means: 'random-port',
    most: 500,
  },
  {
    what: 'an Echo Test predicts the port of the peer',
    a: symmetric('preserving'),
    b: symmetric('sequential'),
    means: 'random-port',
    most: 600,
  },
  {
    what: 'a peer heard through a NAT that admits all senders may not hear the client: the other socket is preferred',
    a: symmetric('preserving', INDEPENDENT),
    b: stable,
    means: 'random-port',
    most: 2_000,
  },
  {
    what: 'the paths in the two directions may differ',
    a: symmetric('random', INDEPENDENT),
    b: symmetric('preserving', INDEPENDENT),
    means: 'nonce',
    most: 500,
  },
  {
    what: 'a bubble that came before the NAT was open is followed by another one',
    a: symmetric('preserving', BY_ADDRESS, BY_ADDRESS),
    b: symmetric('random'),
    means: 'random-port',
    most: 2_000,
  },
  {
    what: 'a peer that is heard and still sends indirect bubbles does not hear the client: ports are guessed',
    a: symmetric('random', INDEPENDENT),
    b: stable,
    means: 'guess',
    most: 10_000,
  },
  {
    what: 'a client with preserved ports and one with consecutive ports connect',
    a: symmetric('sequential'),
    b: symmetric('preserving'),
    means: 'guess',
    most: 3_000,
  },
  {
    what: 'a volley from a NAT with address-dependent mapping comes from one port',
    a: symmetric('sequential'),
    b: symmetric('sequential', BY_BOTH, BY_ADDRESS),
    means: 'guess',
    most: 3_000,
  },
  {
    what: 'if a whole volley is heard, one of its bubbles came by a path that works in both directions',
    a: symmetric('sequential'),
    b: symmetric('sequential', INDEPENDENT),
    means: 'guess',
    most: 5_000,
  },
  {
    what: 'two guesses that hit at once do not interrupt the two clients',
    a: symmetric('random'),
    b: stable,
    means: 'guess',
    most: 10_000,
    seeds: [70, 107, 129],
  },
  {
    what: 'several addresses of one peer that share a bucket are all answered',
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

  seededTest('a lost bubble of a volley is replaced by the next one', (first) => {
    const counting = symmetric('sequential');
    const runs = Array.from({ length: 30 }, (_, i) =>
      tryPair(counting, counting, { seed: first + i, loss: 0.05 }),
    );
    expect(runs.filter(({ means }) => means !== undefined).length).toBeGreaterThan(25);
  });

  seededTest('a single guess reaches no limit, whichever side has begun', (first) => {
    const random = symmetric('random');
    for (const [a, b] of [
      [stable, random],
      [random, stable],
    ] as const)
      for (const seed of [first, first + 1, first + 2]) {
        const net = new Internet({ seed });
        net.addServer();
        const clients = [a, b].map((nat) => net.addClient({ behind: net.addNat(nat) }));
        const [one, other] = clients as [SimClient, SimClient];
        expectQualified(net.world, 120_000, one, other);
        const pings = pingSteadily(net.world, one.ipv6, other.ipv6, 250, 8_000);
        net.world.runUntil(() => pings.some(({ repliedAt }) => repliedAt !== undefined), 8_000);
        net.world.runUntil(() => false, 2_000);
        const guesses = clients.map(({ machine }) => machine.counters.sentGuesses);
        const limits = clients.flatMap(({ machine }) => [...machine.limitHits.pending()]);
        expect([Math.min(...guesses) > 100, limits]).toEqual([true, []]);
      }
  });
});
