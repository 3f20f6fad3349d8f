import { expect, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import type { ServerResult } from '../../core/client/index.ts';
import { steps } from './check-server.ts';

const [PRIMARY, SECONDARY] = [v4('192.0.2.1'), v4('192.0.2.2')];

const OFFLINE = {
  state: 'offline',
  reason: 'no-answer',
  nat: 'unknown',
  symmetricNatRuledOut: false,
} as const;

function stepsFor(answers: Partial<ServerResult>, client: Parameters<typeof steps>[0] = OFFLINE): string[] {
  const sent = (target: number) => ({ target, cone: false, sentAt: 0 });
  const result: ServerResult = {
    primary: PRIMARY,
    secondary: SECONDARY,
    name: 'it',
    solicitations: [sent(PRIMARY), sent(PRIMARY), sent(SECONDARY)],
    answers: [],
    invalidAnswers: [],
    ...answers,
  };
  return steps(client, result, undefined).map(({ text }) => text);
}

const invalid = (address: number) =>
  ({ from: { address, port: 3544 }, reason: 'wrong-nonce', receivedAt: 0 }) as const;

test('an address that answers wrongly is not said to be silent as well', () => {
  expect(stepsFor({ invalidAnswers: [invalid(PRIMARY), invalid(PRIMARY)] })).toEqual([
    '192.0.2.1:3544: invalid answer (wrong-nonce)',
    '192.0.2.2 does not answer (asked once over UDP port 3544)',
  ]);
});

test('one that does not answer is, with how often it was asked', () => {
  expect(stepsFor({})).toEqual([
    '192.0.2.1 does not answer (asked 2 times over UDP port 3544)',
    '192.0.2.2 does not answer (asked once over UDP port 3544)',
  ]);
});

test('another one that answers in its place leaves it silent', () => {
  const elsewhere = { ...invalid(v4('192.0.2.9')), reason: 'wrong-server-address' } as const;
  expect(stepsFor({ invalidAnswers: [elsewhere] })).toEqual([
    '192.0.2.9:3544 answers, which was not asked',
    '192.0.2.1 does not answer (asked 2 times over UDP port 3544)',
    '192.0.2.2 does not answer (asked once over UDP port 3544)',
  ]);
});

test('a client behind a symmetric NAT qualifies, and the report names the NAT', () => {
  const nothing = { solicitations: [] };
  const qualified = {
    state: 'qualified',
    reason: undefined,
    nat: 'symmetric',
    symmetricNatRuledOut: true,
  } as const;
  expect(stepsFor(nothing, qualified)).toEqual([
    'the two addresses see different mappings: the NAT is symmetric',
  ]);
  expect(stepsFor(nothing, { ...qualified, nat: 'restricted' })).toEqual([
    'both addresses see the same mapping',
  ]);
  expect(stepsFor(nothing, { ...qualified, nat: 'restricted', symmetricNatRuledOut: false })).toEqual([
    'one address only: a symmetric NAT cannot be ruled out',
  ]);
});
