import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import type { Requester } from '../contacts.ts';
import { Budgets } from './budgets.ts';
import { RELAY_LIMITS } from './limits.ts';

const SERVER = 0xc6336476;
const requester = (i: number): Requester => [0x20010db8, (0x10_0000 + i * 0x1_0000) >>> 0, 0, 1];

/** The number of new /48s that get a bubble from the shared budget. */
function left(budgets: Budgets, now: number): number {
  for (let taken = 0; ; taken++)
    if (budgets.takeServer(SERVER, requester(100 + taken), now) !== 'shared') return taken;
}

test('an answer to bubbles paid by the reserve does not change the shares of the shared budget', () => {
  const [answered, silent] = [1, 2].map(() => new Budgets(RELAY_LIMITS, false, seededEntropy())) as [
    Budgets,
    Budgets,
  ];
  for (const budgets of [answered, silent]) {
    left(budgets, 0);
    expect(budgets.takeServer(SERVER, requester(1), 0)).toBe('reserve');
    // The number of tokens earned is the same in both cases.
    budgets.reward(undefined, SERVER, 1, [{ from: 'shared', at: 0 }], 0);
  }
  const paid = Array.from({ length: 4 }, () => ({ from: 'reserve' as const, at: 0 }));
  answered.reward(requester(1), SERVER, 1, paid, 0);
  silent.reward(undefined, SERVER, 1, paid, 0);
  expect(left(answered, 1_000)).toBe(left(silent, 1_000));
});
