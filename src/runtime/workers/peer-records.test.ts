import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import { SLOTS, countSteps, fillAndEmpty, sparseClient } from '../../../test/support/sparse-table.ts';
import { PeerTable } from '../../core/peer-table.ts';
import { readRecords, recordsOf } from './peer-records.ts';

test('records of a table with many free slots are made in turns, and each turn looks at few slots', () => {
  const limits = { trusted: SLOTS, unverified: SLOTS };
  const peers = new PeerTable(limits, seededEntropy(2), () => {}, false);
  fillAndEmpty(peers, [3, 40_000]);
  const steps = countSteps(peers);
  const pieces = Array.from(recordsOf(peers, 0), (piece) => {
    expect(steps.take()).toBeLessThanOrEqual(11);
    return piece;
  });
  expect(steps.take()).toBeLessThanOrEqual(11);
  const found = [
    ...readRecords(
      pieces.filter((piece) => piece !== undefined),
      0,
    ),
  ];
  expect(found.map(({ address }) => address)).toEqual([sparseClient(3), sparseClient(40_000)]);
});
