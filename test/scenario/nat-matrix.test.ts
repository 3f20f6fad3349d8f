/**
 * Tests docs/nat-matrix.md with one pair of kinds for each pair of groups, and the limits of its values. `npm run nat-matrix` runs all
 * pairs and writes it.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { NAT_KINDS, SeededEntropy, tryNeighbours, tryPair } from '../../src/sim/index.ts';
import type { Dependence, NatOptions, PairOutcome } from '../../src/sim/index.ts';
import { seeds, withSeed } from './support/with-seed.ts';

/** Limits with RFC 4380 and RFC 6081, and with guessed ports. */
const [FOUND_MS, GUESSED_MS] = [2_000, 10_000];
const GUESSES_MOST = 2_000;

const PAGE = readFileSync(new URL('../../docs/nat-matrix.md', import.meta.url), 'utf8');
const GROUPS = readGroups(sectionOf('Groups'));
const CELLS = readCells(sectionOf('Nothing is lost'));

describe('two clients, each behind a NAT of its own, connect as docs/nat-matrix.md says', () => {
  test('the matrix has all kinds', () => {
    const all = [...GROUPS.values()].flat().map((one) => `${one.mapping}, ${one.filtering}, ${one.ports}`);
    expect(new Set(all).size).toBe(27);
    expect(all).toHaveLength(27);
  });

  for (const [from, to, cell] of CELLS) {
    test(`${from} with ${to}: ${cell}`, () => {
      for (const seed of seeds(4)) {
        withSeed(seed, () => {
          const draw = new SeededEntropy(seed);
          const outcome = tryPair(draw.pick(GROUPS.get(from)!), draw.pick(GROUPS.get(to)!), { seed });
          expectCell(outcome, cell);
        });
      }
    });
  }
});

describe('two clients behind one NAT connect', () => {
  for (const localDiscovery of [true, false]) {
    for (const hairpinning of [true, false]) {
      const discovery = localDiscovery ? 'with' : 'without';
      test(`${discovery} local discovery, ${hairpinning ? '' : 'not '}hairpinning`, () => {
        for (const kind of [...GROUPS.values()].flat()) {
          const { firstReplyMs, backMs } = tryNeighbours({ ...kind, hairpinning }, { localDiscovery });
          expect(firstReplyMs).toBeLessThanOrEqual(FOUND_MS);
          expect(backMs).toBeLessThanOrEqual(FOUND_MS);
        }
      });
    }
  }
});

/** `cell`: means, time and packets; the means must be equal. */
function expectCell({ means, firstReplyMs, backMs, guesses }: PairOutcome, cell: string): void {
  if (cell === '-') {
    expect(means).toBeUndefined();
    return;
  }
  const isGuessed = cell.startsWith('guess');
  expect(firstReplyMs, 'first answer').toBeLessThanOrEqual(isGuessed ? GUESSED_MS : FOUND_MS);
  expect(backMs, 'the other direction').toBeLessThanOrEqual(FOUND_MS);
  expect(guesses).toBeLessThanOrEqual(isGuessed ? GUESSES_MOST : 0);
  if (isGuessed) expect(means).toBe('guess');
  else if (cell.startsWith('plain')) expect(means).toBe('direct');
  else expect(['nonce', 'random-port']).toContain(means);
}

function sectionOf(title: string): string {
  const [, rest] = PAGE.split(`## ${title}\n`);
  return rest!.split('\n## ')[0]!;
}

function rowsOf(section: string): string[][] {
  const lines = section.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|--'));
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('**', '')),
  );
}

function readGroups(section: string): Map<string, NatOptions[]> {
  const groups = new Map<string, NatOptions[]>();
  for (const [name, mappings, filterings, ports] of rowsOf(section).slice(1)) {
    const kinds = mappings!
      .split(', ')
      .flatMap((mapping) =>
        filterings!
          .split(', ')
          .flatMap((filtering) =>
            ports!.split(', ').map((one) => natOf(mapping, filtering, one as NatOptions['ports'])),
          ),
      );
    groups.set(name!, [...(groups.get(name!) ?? []), ...kinds]);
  }
  return groups;
}

function natOf(mapping: string, filtering: string, ports: NatOptions['ports']): NatOptions {
  const portRange = ports === 'sequential' ? ([40_000, 65_535] as const) : NAT_KINDS.portRestricted.portRange;
  return {
    ...NAT_KINDS.portRestricted,
    mapping: dependenceOf(mapping),
    filtering: dependenceOf(filtering),
    ports,
    portRange,
  };
}

function dependenceOf(word: string): Dependence {
  if (word === 'independent') return 'endpoint-independent';
  return word === 'address' ? 'address-dependent' : 'address-and-port-dependent';
}

function readCells(section: string): [from: string, to: string, cell: string][] {
  const [head, ...rows] = rowsOf(section);
  return rows.flatMap(([from, ...cells]) =>
    cells.map((cell, i): [string, string, string] => [from!, head![i + 1]!, cell]),
  );
}
