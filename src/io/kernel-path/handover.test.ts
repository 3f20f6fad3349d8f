import { expect, test } from 'vitest';
import { MemoryHandover } from '../../../test/support/handover-rig.ts';
import { WAY } from '../../linux/bpf/layout.ts';
import type { LinkStore } from '../../linux/bpf/link-store.ts';
import { KernelPathHandover } from './handover.ts';
import { readWays, writeWays } from './left-ways.ts';

const PROVEN = [{ peer: new Uint8Array(16).fill(1), place: { address: 5, port: 6 }, way: WAY.checked }];

test.each([
  ['are taken where its programs are still attached', true, 1],
  ['are not taken where its programs are gone', false, 0],
])('the proven ways of a predecessor %s, and no later process gets them', (_, hasLeft, taken) => {
  const ways = new MemoryHandover(writeWays(PROVEN));
  const handover = new KernelPathHandover({ hasLeft } as LinkStore, ways);
  expect(handover.takeWays().size).toBe(taken);
  expect(readWays(ways.next!).size).toBe(0);
});
