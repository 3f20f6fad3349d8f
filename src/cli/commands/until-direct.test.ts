import { expect, test } from 'vitest';
import type { ContactStatus } from '../../control/status.ts';
import { stepsOf } from './until-direct.ts';

const contacting: ContactStatus = {
  version: 1,
  name: 'client',
  networkNamespace: '',
  qualified: true,
  state: 'contacting',
  attempts: 2,
  mayMeet: false,
  isHeardThroughServer: true,
  ownPorts: 'random',
  peerPorts: 'random',
  isTesting: false,
  guess: 'hopeless',
  guessesSent: 0,
};

const last = (change: Partial<ContactStatus>): string | undefined =>
  stepsOf({ ...contacting, ...change }, true).at(-1);

test('where guesses would not do, only the relay is left, if there is one', () => {
  expect(last({})).toMatch(/no number of guesses would do: there is no relay/);
  expect(last({ mayMeet: true })).toMatch(/no number of guesses would do: asked your relay/);
});

test('filters that are wide let a peer in whose ports are beyond guessing: then no step mentions guesses', () => {
  const steps = stepsOf({ ...contacting, state: 'valid', means: 'nonce', mapped: '192.0.2.1:5000' }, true);
  expect(steps.join('\n')).not.toMatch(/guess/);
  expect(steps.at(-1)).toBe('reached directly, at 192.0.2.1:5000');
});

test('guesses are reported by the hundred', () => {
  const guessing = { ownPorts: 'stable', guess: 'agreed' } as const;
  expect(last({ ...guessing, guessesSent: 0 })).toMatch(/they do so now/);
  expect(last({ ...guessing, guessesSent: 8 })).toBe('the first guesses sent');
  expect(last({ ...guessing, guessesSent: 1_699 })).toBe('some 1600 guesses sent');
});
