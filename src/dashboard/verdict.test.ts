import { expect, test } from 'vitest';
import type { ClientStatus, RelayStatus } from '../control/status.ts';
import { MEANINGS, noAnswer, verdictOf } from './verdict.ts';

const client = {
  role: 'client',
  name: 'home',
  state: 'qualified',
  stateSeconds: 190,
  inWords: { ready: true, state: 'qualified: Teredo works' },
} as unknown as ClientStatus;

test('a client that works', () => {
  expect(verdictOf(client)).toEqual({
    mark: 'good',
    headline: 'Teredo works',
    detail: 'client "home", qualified for 3 min',
  });
});

test('a client that does not work says why, and what to do', () => {
  const inWords = {
    ready: false,
    state: 'offline: Teredo does not work',
    reason: 'no server',
    advice: 'try another',
  };
  expect(verdictOf({ ...client, state: 'offline', inWords })).toMatchObject({
    mark: 'bad',
    headline: 'Teredo does not work',
    reason: 'no server',
    advice: 'try another',
  });
});

test.for([
  ['probe', 'looking for a server', false, 'In transition: Looking for a server'],
  ['dormant', 'not needed now', true, 'Not in use: Not needed now'],
] as const)('a client in state %s is neither good nor bad', ([state, words, ready, heard]) => {
  const inWords = { ready, state: `${state}: ${words}` };
  const { mark, headline } = verdictOf({ ...client, state, inWords });
  expect(MEANINGS[mark] + headline).toBe(heard);
});

test('a relay that works, one that is about to end, and one whose host does not forward', () => {
  const relay = {
    role: 'relay',
    name: 'r',
    state: 'running',
    uptimeSeconds: 18_000,
  } as unknown as RelayStatus;
  const of = (rest: Partial<RelayStatus>): string => {
    const { mark, headline, detail } = verdictOf({ ...relay, ...rest });
    return `${mark}: ${headline}; ${detail}`;
  };
  expect(of({ inWords: { ready: true, state: 'running' } })).toBe(
    'good: Relay works; relay "r", running for 5 h 0 min',
  );
  const draining = { state: 'draining', inWords: { ready: false, state: 'draining: it ends' } } as const;
  expect(of({ ...draining, stateSeconds: 7 })).toBe(
    'waiting: Relay is about to end; relay "r", draining for 7 s',
  );
  // A daemon of an earlier version does not say how long.
  expect(of(draining)).toBe('waiting: Relay is about to end; relay "r", draining');
  expect(of({ inWords: { ready: false, state: 'running' } })).toMatch(/^bad: Relay runs, but cannot serve/);
});

test('a daemon that gives no answer', () => {
  expect(noAnswer('it has ended', 'home')).toMatchObject({
    mark: 'bad',
    detail: 'it has ended',
    advice: expect.stringContaining('teredo status home') as string,
  });
});
