import { expect, test } from 'vitest';
import { reachOf } from './reach.ts';
import type { NatBehaviour } from './nat-behaviour.ts';

type Own = Parameters<typeof reachOf>[0];

const ways = (own: Own): string[] =>
  reachOf(own).map(({ way, atBest }) => (atBest === undefined ? way : `${atBest}/${way}`));

const stable = (filtering: NatBehaviour['filtering']): Own => ({
  mapping: 'endpoint-independent',
  filtering,
  portAllocation: 'preserving',
});
const symmetric = (portAllocation: NatBehaviour['portAllocation'], portStep?: number): Own => ({
  mapping: 'address-dependent-or-stricter',
  filtering: 'address-dependent-or-stricter',
  portAllocation,
  ...(portStep === undefined ? {} : { portStep }),
});

test('the five kinds, as the tests of NAT pairs have them', () => {
  expect(ways(stable('endpoint-independent'))).toEqual([
    'rfc4380',
    'rfc4380',
    'rfc4380',
    'rfc6081',
    'rfc6081',
  ]);
  expect(ways(stable('address-dependent'))).toEqual(['rfc4380', 'rfc4380', 'rfc4380', 'rfc6081', 'rfc6081']);
  expect(ways(stable('address-and-port-dependent'))).toEqual([
    'rfc4380',
    'rfc4380',
    'rfc4380',
    'rfc6081',
    'guessing',
  ]);
  expect(ways(symmetric('counting', 2))).toEqual(['rfc6081', 'rfc6081', 'rfc6081', 'guessing', 'none']);
  expect(ways(symmetric('random'))).toEqual(['rfc6081', 'rfc6081', 'guessing', 'none', 'none']);
});

test('a NAT that counts down is as good as a random one: the client guesses upwards', () => {
  expect(ways(symmetric('counting', -1))).toEqual(ways(symmetric('random')));
});

test('where it is not known which of several it is: the worst, and the best', () => {
  expect(ways(stable('address-dependent-or-stricter'))[4]).toBe('rfc6081/guessing');
  expect(ways(symmetric('unknown'))).toEqual([
    'rfc6081',
    'rfc6081',
    'rfc6081/guessing',
    'guessing/none',
    'none',
  ]);
  expect(ways({ mapping: 'unknown', filtering: 'unknown', portAllocation: 'preserving' })).toEqual([
    'rfc4380/rfc6081',
    'rfc4380/rfc6081',
    'rfc4380/guessing',
    'rfc6081/none',
    'rfc6081/none',
  ]);
});
