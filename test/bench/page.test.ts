import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { relayCost, tcpCost, tcpRate } from '../../bench/result/names.ts';
import { blocksOf, withBlocks } from '../../bench/result/page.ts';
import { withReadmeFigures } from '../../bench/result/readme.ts';
import { Results } from '../../bench/result/results.ts';
import type { Report } from '../../bench/result/results.ts';
import { asMarkdown, short, tableOf } from '../../bench/result/tables.ts';
import { asJudgement, gapOf } from '../../bench/result/targets.ts';

const facts = {
  date: '2026-01-02',
  kernel: '6.1',
  commit: 'abc',
  processor: 'P',
  processors: 2,
  node: 'v20',
  links: {},
};

function someResults(): Results {
  const results = Results.of(facts, { alternations: 7, seconds: 2, quick: false });
  for (const plain of [100, 200, 300]) {
    results.add(tcpRate('nic', 'up'), 'plain', plain);
    results.add(tcpRate('nic', 'up'), 'kernel', plain / 2);
    results.add(tcpCost('nic', 'up'), 'plain', 6);
    results.add(tcpCost('nic', 'up'), 'kernel', 6.06);
  }
  results.noteGenerators(tcpRate('nic', 'up'), 'plain', 4, true);
  results.noteDrops('nic: TCP up', 'kernel', { tunnel: 3 });
  return results;
}

test('a table has median and quartiles, ratios of alternations, and says generator-bound', () => {
  const table = tableOf(someResults(), (name) => name === tcpRate('nic', 'up'));
  expect(asMarkdown(table)).toBe(
    [
      '|  | plain IPv4 | kernel path | kernel / plain |',
      '| --- | --- | --- | --- |',
      '| nic: TCP up, Mbit/s | 200 (150-250) generator-bound | 100 (75-125) | 0.50 |',
    ].join('\n'),
  );
});

test('of a cost that a null relay has, too, the table says what each adds to it', () => {
  const results = Results.of(facts, { alternations: 2, seconds: 1, quick: true });
  for (const noise of [0, 1]) {
    results.add(relayCost('up'), 'null', 4 + noise);
    results.add(relayCost('up'), 'miredo', 14 + noise);
    results.add(relayCost('up'), 'kernel', 5 + noise);
  }
  const [heads, all, over] = tableOf(results, () => true);
  expect(heads).toEqual(['', 'nothing', 'miredo', 'kernel path', 'kernel / miredo']);
  expect(all![1]).toBe('4.5 (4.25-4.75)');
  expect(over).toEqual(['the same over nothing', '', '10 (10-10)', '1 (1-1)', '0.10']);
});

test('misses come first, by how far they are from the target; a target without a figure is a miss', () => {
  const { missed, met } = asJudgement(someResults());
  expect(met.map(([what]) => what)).toEqual(['target', 'us a segment, TCP up: kernel path / plain IPv4']);
  expect(missed[1]![2]).toBe('not measured');
  expect(missed.at(-1)).toEqual(['TCP up: kernel path / plain IPv4', 'at least 1', '0.5']);
});

test('a gap above 1 is a miss, whichever way the target is bounded', () => {
  expect(gapOf({ asked: 2, bound: 'most' }, 3)).toBe(1.5);
  expect(gapOf({ asked: 2, bound: 'least' }, Infinity), 'a cost that cannot be seen').toBe(0);
  expect(gapOf({ asked: 2, bound: 'most' }, Infinity)).toBe(Infinity);
  expect(gapOf({ asked: 3, bound: 'least' }, 2)).toBe(1.5);
  expect(gapOf({ asked: 3, bound: 'least' }, 3)).toBe(1);
  expect(gapOf({ asked: 3, bound: 'least' }, -1)).toBe(Infinity);
  expect(gapOf({ asked: 3, bound: 'most' }, NaN)).toBe(Infinity);
});

test('the figures survive JSON, and go between the marks of the page; text around them stays', () => {
  const results = someResults();
  const copy = new Results(JSON.parse(results.json()) as Report);
  expect(copy.report).toEqual(results.report);
  const marks = Object.keys(blocksOf(copy)).map(
    (name) => `# ${name}\n<!-- bench ${name} -->\nold\n<!-- end -->\n`,
  );
  const page = withBlocks(marks.join(''), blocksOf(copy));
  expect(page).not.toContain('old');
  expect(page).toContain('commit abc, Linux 6.1');
  expect(page).toContain('| nic: TCP up | kernel path | tunnel 3 |');
  expect(withBlocks(page, blocksOf(copy))).toBe(page);
  expect(() => withBlocks('nothing', { nic: '' })).toThrow('no place for "nic"');
});

test('three digits', () => {
  expect([1234.5, 12.345, 0.012345, 0, NaN].map(short)).toEqual(['1235', '12.3', '0.0123', '0', '-']);
});

test('page and README of this repository have a place for all figures', () => {
  const read = (name: string): string => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
  const results = someResults();
  expect(withBlocks(read('docs/performance.md'), blocksOf(results))).toContain('commit abc, Linux 6.1');
  const readme = withReadmeFigures(read('README.md'), results);
  expect(readme).toContain(
    '| TCP, client to native host, Mbit/s (plain IPv4: 200) | - | user path -, kernel path **100** |',
  );
  expect(readme.split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(900);
});
