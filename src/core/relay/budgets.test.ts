import { expect, test } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import type { Requester } from '../payments.ts';
import { Budgets } from './budgets.ts';
import type { BubblePayment } from './budgets.ts';
import { RELAY_LIMITS } from './limits.ts';

const SERVER = 0xc6336476;
const requester = (i: number): Requester => [0x20010db8, (0x10_0000 + i * 0x1_0000) >>> 0, 0, 1];

/** The number of new /48s that get a bubble from the shared budget. */
function left(budgets: Budgets, now: number): number {
  for (let taken = 0; ; taken++)
    if (budgets.takeServer(SERVER, requester(100 + taken), now) !== 'shared') return taken;
}

const paid = (change: Partial<BubblePayment> = {}): BubblePayment => ({
  requester: requester(1),
  source: 'shared',
  from: 'shared',
  isDirect: false,
  at: 0,
  ...change,
});

/** How often `take` succeeds. */
function count(take: () => unknown): number {
  for (let taken = 0; ; taken++) if (take() === undefined) return taken;
}

/** No tokens are earned. */
const EXACT = {
  ...RELAY_LIMITS,
  sourceEarnings: { perSecond: 0, burst: 0 },
  serverEarnings: { perSecond: 0, burst: 0 },
};

test('an answer to bubbles paid by the reserve does not change the shares of the shared budget', () => {
  const [answered, silent] = [1, 2].map(() => new Budgets(RELAY_LIMITS, false, seededEntropy())) as [
    Budgets,
    Budgets,
  ];
  for (const budgets of [answered, silent]) {
    left(budgets, 0);
    expect(budgets.takeServer(SERVER, requester(1), 0)).toBe('reserve');
    // The number of tokens earned is the same in both cases.
    for (let i = 0; i < 2; i++) budgets.earn(undefined, SERVER, 0);
  }
  for (let i = 0; i < 4; i++) answered.giveBack(paid({ from: 'reserve' }), SERVER, 1, 0);
  expect(left(answered, 1_000)).toBe(left(silent, 1_000));
});

test('it goes back to the reserve, and to the part of its /64 there', () => {
  const budgets = new Budgets(EXACT, false, seededEntropy());
  left(budgets, 0);
  const take = () => budgets.takeServer(SERVER, requester(1), 0);
  expect(count(take)).toBe(4);
  budgets.giveBack(paid({ from: 'reserve' }), SERVER, 1, 0);
  expect([take(), take()]).toEqual(['reserve', undefined]);
});

test('a token that a host had of the reserve of its /64 goes back there, and not to the shared part', () => {
  const budgets = new Budgets(EXACT, false, seededEntropy());
  const take = () => budgets.takeSource(requester(1), 0);
  expect(count(take)).toBe(256 + 4);
  budgets.giveBack(paid({ source: 'reserve' }), SERVER, 1, 0);
  expect([take(), take()]).toEqual(['reserve', undefined]);
  budgets.giveBack(paid(), SERVER, 1, 0);
  expect([take(), take()]).toEqual(['shared', undefined]);
  budgets.giveBack(paid({ source: undefined }), SERVER, 1, 0);
  expect(take()).toBe(undefined);
});

test('no token comes back for a direct bubble that was refused', () => {
  const budgets = new Budgets(EXACT, true, seededEntropy());
  let n = 100;
  const take = () => budgets.takeClient(7, requester(n++), 0) || undefined;
  expect(count(take)).toBe(80); // the part of one /32
  for (let i = 0; i < 3; i++) budgets.giveBack(paid(), SERVER, 7, 0);
  expect(take()).toBe(undefined);
  budgets.giveBack(paid({ isDirect: true }), SERVER, 7, 0);
  expect([take(), take()]).toEqual([true, undefined]);
});
