import { describe, expect, test } from 'vitest';
import { Epoch } from './epoch.ts';

describe('RFC 6887 section 8.5: a gateway has not restarted', () => {
  test.for([
    ['when its time advances like ours', 100, 200, 100_000, true],
    ['with a clock that is slightly fast', 100, 1_160, 1_000_000, true],
    ['with a clock that is slightly slow', 100, 1_040, 1_000_000, true],
    ['when one datagram overtakes another', 100, 99, 0, true],
    ['but it has if its time goes back', 100, 98, 0, false],
    ['but it has if its epoch is too small for the time that has passed', 100, 150, 100_000, false],
    ['but it has if its time jumps ahead', 100, 400, 100_000, false],
  ] as const)('%s', ([, first, second, passedMs, continues]) => {
    const epoch = new Epoch();
    expect(epoch.continues(first, 5_000)).toBeUndefined();
    expect(epoch.continues(second, 5_000 + passedMs)).toBe(continues);
  });

  test('a restart is reported once', () => {
    const epoch = new Epoch();
    epoch.continues(5_000, 0);
    expect([epoch.continues(0, 10), epoch.continues(0, 260), epoch.continues(1, 760)]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
