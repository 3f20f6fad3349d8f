/** Rules of nftables are there, or there is an error: whatever becomes of the kernel's answers. */
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { E } from '../../src/linux/libc.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { OwnTable } from '../../src/linux/own-table.ts';
import type { OwnChain } from '../../src/linux/own-table.ts';
import { makeRefusable } from '../support/refusable-calls.ts';
import { ERRORS, record, refuse } from '../support/refusing-system.ts';

const chains = (index: number): readonly OwnChain[] => [
  { hook: 'prerouting', rules: [{ when: [{ interface: 'in', how: 'is', index }], verdict: 'drop' }] },
];

let table: OwnTable;
/** The sites of the reads of a change. */
let reads: string[];

beforeAll(makeRefusable);
beforeEach(() => {
  enterNewNetwork();
  table = new OwnTable('teredo-test');
  onTestFinished(() => table.close());
  const recording = record();
  table.set(chains(1));
  reads = recording.end().filter((site) => site.startsWith('read '));
  expect(reads.length).toBeGreaterThan(0);
});

const rules = (): string => execute('nft', ['-nn', 'list', 'ruleset']);

test.each([
  ['was lost', ERRORS.ENOBUFS, /ENOBUFS/],
  ['has not come', E.EAGAIN, /EAGAIN/],
])('an answer that %s is no success; the next change is made as a whole', (_, error, message) => {
  for (const site of reads) {
    const end = refuse(site, error);
    expect(() => table.set(chains(2))).toThrow(message);
    expect(end()).toBe(1);
    table.set(chains(3));
    expect(rules()).toMatch(/iif 3 counter/);
    expect(rules()).not.toMatch(/iif [12] counter/);
  }
});

test('a change of which the kernel has heard nothing, too', () => {
  const recording = record();
  table.set(chains(2));
  const write = recording.end().find((site) => site.startsWith('write '))!;
  const end = refuse(write, ERRORS.ENOBUFS);
  expect(() => table.set(chains(4))).toThrow(/ENOBUFS/);
  expect(end()).toBe(1);
  expect(rules()).toMatch(/iif 2 counter/);
  table.set(chains(5));
  expect(rules()).toMatch(/iif 5 counter/);
});

test('answers to a change before are not taken for those to the next', () => {
  const end = refuse(reads[0]!, ERRORS.ENOBUFS);
  expect(() => table.set([])).toThrow(/ENOBUFS/);
  end();
  // A refusal now has its effect, although all of the change before has been acknowledged by now.
  expect(() =>
    table.set([{ hook: 'prerouting', rules: [{ when: [], verdict: 'drop' }] }, ...TOO_LONG]),
  ).toThrow();
  table.set(chains(6));
  expect(rules()).toMatch(/iif 6 counter/);
});

/** A source of more octets than a register holds. */
const TOO_LONG: readonly OwnChain[] = [
  { hook: 'postrouting', rules: [{ when: [{ source: new Uint8Array(32) }], verdict: 'drop' }] },
];
