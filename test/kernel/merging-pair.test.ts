/** The pair of interfaces in which segments are merged (adr/0036): its size, and the rest of a killed process. */
import { beforeEach, expect, test } from 'vitest';
import { removePairOf } from '../../src/io/kernel-path/merging.ts';
import { execute } from '../../src/lab/index.ts';
import { readLinks } from '../../src/linux/links.ts';
import { findPair, makePair, preparePair } from '../../src/linux/merging-pair.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { setAlias } from '../../src/linux/veth.ts';

const TUNNEL = 'teredo';
const names = (): string[] => [...readLinks().values()].map(({ name }) => name);

beforeEach(() => {
  enterNewNetwork();
  execute('ip', ['link', 'add', TUNNEL, 'type', 'veth']);
});

test('the pair takes packets of all lengths', () => {
  const { first, second } = makePair(TUNNEL, 1);
  preparePair({ first, second });
  for (const { ifindex } of [first, second]) expect(readLinks().get(ifindex)!.mtu).toBe(65_535);
});

test.each([0, 1] as const)(
  'of two pairs of a tunnel one stays; half made: end %i has no name of its tunnel',
  (end) => {
    const half = makePair(TUNNEL, 1);
    setAlias([half.first, half.second][end]!.ifindex, 'another');
    expect(findPair(TUNNEL, readLinks())).toBeUndefined();
    const whole = makePair(TUNNEL, 1);
    removePairOf(TUNNEL, true);
    expect(names()).not.toContain(half.first.name);
    expect(names()).toEqual(expect.arrayContaining([whole.first.name, whole.second.name]));
    removePairOf(TUNNEL, false);
    expect(names()).not.toContain(whole.first.name);
  },
);
