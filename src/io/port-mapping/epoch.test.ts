import { describe, expect, test } from 'vitest';
import { Epoch } from './epoch.ts';

describe('RFC 6887 section 8.5: a gateway goes on', () => {
  test.for([
    ['after as long as here', 100, 200, 100_000, true],
    ['with a clock that is a little fast', 100, 1_160, 1_000_000, true],
    ['with a clock that is a little slow', 100, 1_040, 1_000_000, true],
    ['where a datagram overtakes another', 100, 99, 0, true],
    ['not where its time goes back', 100, 98, 0, false],
    ['not where it has begun anew since, and runs for longer than before', 100, 150, 100_000, false],
    ['not where its time has leapt', 100, 400, 100_000, false],
  ] as const)('%s', ([, first, second, passedMs, goesOn]) => {
    const epoch = new Epoch();
    expect(epoch.goesOn(first, 5_000)).toBeUndefined();
    expect(epoch.goesOn(second, 5_000 + passedMs)).toBe(goesOn);
  });

  test('a new beginning is told once', () => {
    const epoch = new Epoch();
    epoch.goesOn(5_000, 0);
    expect([epoch.goesOn(0, 10), epoch.goesOn(0, 260), epoch.goesOn(1, 760)]).toEqual([false, true, true]);
  });
});
