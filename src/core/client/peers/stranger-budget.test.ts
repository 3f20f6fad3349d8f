/** Answered tests give their tokens back to the part of the budget that paid for them. CL-124 */
import { expect, test } from 'vitest';
import { seededEntropy, v6 } from '../../../../test/support/client-rig.ts';
import { StrangerBudget } from './stranger-budget.ts';

const VIA = 0xc6336401;
const host = (i: number): Uint8Array => v6(`2001:db8:66::${(i + 1).toString(16)}`);
const other = (i: number): Uint8Array => v6(`2001:db8:${(0x100 + i).toString(16)}::1`);
const setUp = (): StrangerBudget => new StrangerBudget({ perSecond: 10, burst: 50 }, seededEntropy());

/** The number of new /48s behind one relay that get a test. */
function left(budget: StrangerBudget, now: number, answers = false): number {
  for (let taken = 0; ; taken++) {
    const isTaken = answers
      ? budget.takeAnswer(other(taken), 0, VIA, now) !== undefined
      : budget.take(other(taken), 0, VIA, now);
    if (!isTaken) return taken;
  }
}

test.each([0, 1, 3])('with a burst of %i, answers have one more token, unless the burst is 0', (burst) => {
  const budget = new StrangerBudget({ perSecond: 1, burst }, seededEntropy());
  left(budget, 0);
  expect(budget.takeAnswer(host(0), 0, VIA, 0)).toBe(burst === 0 ? undefined : 'reserve');
});

test('an answer to a test paid by the reserve for answers gives nothing back to the budget of strangers', () => {
  const [answered, silent] = [setUp(), setUp()];
  for (const budget of [answered, silent]) {
    left(budget, 0);
    for (let i = 0; i < 5; i++) expect(budget.takeAnswer(host(i), 0, VIA, 0)).toBe('reserve');
  }
  for (let i = 0; i < 5; i++) answered.noteAnswered(host(i), 0, VIA, [{ from: 'reserve', at: 0 }], 1_000);
  expect(left(answered, 5_000)).toBe(left(silent, 5_000));
  expect(left(answered, 5_000, true)).toBeGreaterThanOrEqual(left(silent, 5_000, true));
});
