import { describe, expect, test } from 'vitest';
import { MemoryClock } from '../../src/io/memory-clock.ts';
import type { Clock } from '../../src/io/ports.ts';
import { systemClock } from '../../src/io/system-clock.ts';
import { eventually } from '../support/eventually.ts';

const memoryClock = new MemoryClock();

const CLOCKS: readonly { name: string; clock: Clock; pass: (milliseconds: number) => void }[] = [
  { name: 'kernel', clock: systemClock, pass: () => {} },
  { name: 'memory', clock: memoryClock, pass: (milliseconds) => memoryClock.advance(milliseconds) },
];

describe.each(CLOCKS)('Clock: $name', ({ clock, pass }) => {
  test('calls once, in order, and not too early', async () => {
    const calls: { name: string; early: boolean }[] = [];
    const start = clock.now();
    for (const [name, delay] of [
      ['later', 12],
      ['sooner', 5],
      ['fraction', 7.25],
    ] as const) {
      clock.setTimer(start + delay, () => calls.push({ name, early: clock.now() < start + delay }));
    }
    pass(12);

    await eventually(() => expect(calls).toHaveLength(3));
    expect(calls).toEqual(['sooner', 'fraction', 'later'].map((name) => ({ name, early: false })));
  });

  test('calls for a time in the past, but not from inside setTimer', async () => {
    let called = false;
    clock.setTimer(clock.now() - 1_000, () => (called = true));
    expect(called).toBe(false);
    pass(0);
    await eventually(() => expect(called).toBe(true));
  });

  test('forgets a cancelled timer, however often it is cancelled', async () => {
    const calls: string[] = [];
    const cancel = clock.setTimer(clock.now() + 1, () => calls.push('cancelled'));
    clock.setTimer(clock.now() + 5, () => calls.push('kept'));
    cancel();
    cancel();
    pass(5);
    await eventually(() => expect(calls).toEqual(['kept']));
    cancel();
  });

  test('does not call at once for a time beyond the limit of setTimeout', async () => {
    const calls: string[] = [];
    const cancel = clock.setTimer(clock.now() + 2 ** 32, () => calls.push('in 50 days'));
    clock.setTimer(clock.now() + 5, () => calls.push('soon'));
    pass(5);
    await eventually(() => expect(calls).toEqual(['soon']));
    cancel();
  });
});
