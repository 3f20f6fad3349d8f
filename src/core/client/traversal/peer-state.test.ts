/** Random events and times between a client and a peer cause the transitions in the table of peer-state.ts, and no others. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { seeds, withSeed } from '../../../../test/scenario/support/with-seed.ts';
import { NatRig } from '../../../../test/support/nat-rig.ts';
import { RandomPeer, randomOptions } from '../../../../test/support/random-peer.ts';
import { SeededEntropy } from '../../../sim/index.ts';
import { PeerHearing } from './peer-state.ts';

const SEEDS = seeds(50);
const STEPS = 150;
const NATS = ['restricted', 'preserving', 'counting', 'random'] as const;

/** "event from to", as in the table. */
type Transition = string;

const TABLE = readTable();
const seen = new Set<Transition>();

beforeEach(() => {
  seen.clear();
  watch('settle', 'settled');
  watch('noteSign', 'sign');
  watch('noteUnanswered', 'unanswered');
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('transitions of the state of a peer', () => {
  test('by all that may happen between a client and a peer: only those of the table, and nearly all of them', () => {
    for (const seed of SEEDS) {
      withSeed(seed, () => {
        live(new SeededEntropy(seed));
        expect([...seen].filter((one) => !TABLE.includes(one))).toEqual([]);
      });
    }
    // Two moves in the instant of a sign are too rare.
    if (SEEDS.length > 1) expect(TABLE.filter((one) => !seen.has(one))).toEqual(['settled unknown unknown']);
  });

  test('by events of the state alone: those of the table, and all of them', () => {
    for (let seed = 1; seed <= 200; seed++) withSeed(seed, () => change(new SeededEntropy(seed)));
    expect([...seen].toSorted()).toEqual(TABLE.toSorted());
  });
});

function live(draw: SeededEntropy): void {
  const nat = draw.pick(NATS);
  const peer = new RandomPeer(new NatRig(nat, randomOptions(draw)), nat, draw);
  for (let i = 0; i < STEPS; i++) peer.step();
}

/** An answer is missed by peers that are reached, 0.5 s after the question, and so after the last sign. */
function change(draw: SeededEntropy): void {
  const hearing = new PeerHearing();
  for (let i = 0, now = 0; i < 100; i++) {
    now += draw.pick([0, 0, 0, 1, 500, 10_000]);
    const kind = draw.integer(0, 3);
    if (kind === 0) hearing.settle(draw.chance(0.5), now);
    else if (kind === 1) hearing.noteSign(now);
    else if (!hearing.isUnheard && !hearing.hasSignWithin(500, now)) hearing.noteUnanswered();
  }
}

/** Notes the state before and after each call of a method that changes it. */
function watch(method: 'settle' | 'noteSign' | 'noteUnanswered', event: string): void {
  const original = PeerHearing.prototype[method] as (this: PeerHearing, ...args: unknown[]) => void;
  vi.spyOn(PeerHearing.prototype, method).mockImplementation(function (
    this: PeerHearing,
    ...args: unknown[]
  ) {
    const before = this.current;
    original.apply(this, args);
    seen.add(`${event} ${before} ${this.current}`);
  });
}

function readTable(): Transition[] {
  const source = readFileSync(new URL('peer-state.ts', import.meta.url), 'utf8');
  const rows = source.matchAll(/^ \*     (settled|sign|unanswered) +(\w+) +(\w+)/gm);
  return [...rows].map(([, event, from, to]) => `${event} ${from} ${to}`);
}
