import { expect, test } from 'vitest';
import { RELAY_LIMITS, indivisibleRelayLimit, relayWorkersPart } from './index.ts';
import type { RelayLimits } from './index.ts';

/** All numbers of some limits, by their names. */
function numbersOf(limits: object, prefix = ''): [string, number][] {
  return Object.entries(limits).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? numbersOf(value, `${prefix}${name}.`)
      : [[prefix + name, value as number] as [string, number]],
  );
}

/** Of one client, or of relays without workers. */
const WHOLE = /^contacts\.(packets|bytes)PerPeer$|^meetings?\./;
/** Of numbers of 53 bits. */
const ROUNDED = 1 + 2 ** -50;
/** At least one token. */
const OF_A_MEMBER = /\.member\.burst$/;

test('the parts of all workers are together never above a limit', () => {
  const whole = new Map(numbersOf(RELAY_LIMITS));
  for (let workers = 1; workers <= 8; workers++)
    for (const [name, part] of numbersOf(relayWorkersPart(RELAY_LIMITS, workers))) {
      if (WHOLE.test(name)) expect(part, name).toBe(whole.get(name));
      else if (OF_A_MEMBER.test(name)) expect(part, name).toBe(Math.max(1, whole.get(name)! / workers));
      else expect(part * workers, name).toBeLessThanOrEqual(whole.get(name)! * ROUNDED);
    }
});

test('a limit that would leave a worker nothing is named; 0 forbids, and can be divided', () => {
  expect(indivisibleRelayLimit(RELAY_LIMITS, 8)).toBeUndefined();
  const withErrors = (burst: number): RelayLimits => ({ ...RELAY_LIMITS, errors: { perSecond: 1, burst } });
  expect(indivisibleRelayLimit(withErrors(7), 8)).toEqual({ name: 'errors.burst', value: 7, least: 8 });
  expect(indivisibleRelayLimit(withErrors(7), 1)).toBeUndefined();
  expect(indivisibleRelayLimit(withErrors(0), 8)).toBeUndefined();
  const waiting = { ...RELAY_LIMITS.waiting, bytes: 4_096 };
  expect(indivisibleRelayLimit({ ...RELAY_LIMITS, waiting }, 4)).toEqual({
    name: 'waiting.bytes',
    value: 4_096,
    least: 5_120,
  });
});
