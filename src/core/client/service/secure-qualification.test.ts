import { expect, test } from 'vitest';
import { ClientRig, PRIMARY, SECONDARY } from '../../../../test/support/client-rig.ts';
import type { AnswerOptions } from '../../../../test/support/client-rig.ts';
import { verifyAuthentication } from '../../secure.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const SECRET = { clientId: ascii('client-1'), secret: ascii('s3cret') };
const SIGNED = { clientId: SECRET.clientId, secret: SECRET.secret };

function started(): ClientRig {
  return new ClientRig({ secret: SECRET }).start();
}

test('CL-2, CL-30, C-25: the solicitation has the identifier and the value computed with the secret', () => {
  const [rs] = started().sent;
  expect([...rs.bytes.slice(0, 4)]).toEqual([0, 1, 8, 20]);
  expect(rs.bytes.slice(4, 12)).toEqual(SECRET.clientId);
  const { authentication, ipv6Start, ipv6End } = rs.view;
  const parts = { authentication: authentication!, origin: undefined, ipv6Start, ipv6End };
  expect(verifyAuthentication(SECRET.secret, rs.bytes, parts)).toBe(true);
});

test('CL-30, CL-36: a signed answer qualifies', () => {
  const rig = started();
  rig.answer(rig.sent[0], SIGNED).answer(rig.sent[1], { ...SIGNED, from: SECONDARY });
  expect(rig.machine.state).toBe('qualified');
});

const refused: Record<string, AnswerOptions> = {
  'CL-30: unsigned': {},
  'CL-30: no header at all': { withAuthentication: false },
  'CL-32: another nonce, correctly signed': { ...SIGNED, nonce: new Uint8Array(8) },
  'CL-36: another secret': { ...SIGNED, secret: ascii('s3cres') },
  'CL-36: a bit of the value flipped': { ...SIGNED, spoil: (b) => void (b[12] ^= 1) },
  'CL-36: a bit of the confirmation flipped': { ...SIGNED, spoil: (b) => void (b[40] ^= 1) },
  'CL-36: a bit of the origin flipped': { ...SIGNED, spoil: (b, o) => void (b[o - 1] ^= 1) },
  'CL-36: a bit of the packet flipped': { ...SIGNED, spoil: (b, o) => void (b[o + 3] ^= 1) },
  'CL-37: another identifier, correctly signed': { ...SIGNED, clientId: ascii('client-2') },
};
for (const [name, options] of Object.entries(refused)) {
  test(`${name} - discarded`, () => {
    const rig = started();
    rig.answer(rig.sent[0], options);
    expect(rig.sent).toHaveLength(1);
    rig.advance(12_000);
    expect(rig.status.reason).toBe('authentication-failed');
  });
}

test('CL-35: a confirmation other than 0 is reported, and the answer is accepted', () => {
  const rig = started();
  rig.answer(rig.sent[0], { ...SIGNED, confirmation: 1 });
  expect(rig.events).toContainEqual({ type: 'key-expired', server: 0 });
  expect(rig.all('solicitation', SECONDARY)).toHaveLength(1);
  rig.answer(rig.find('solicitation', SECONDARY), { ...SIGNED, from: SECONDARY, confirmation: 1 });
  expect(rig.machine.state).toBe('qualified');
  expect(rig.events.filter(({ type }) => type === 'key-expired')).toHaveLength(1);
});

test('CL-38: a client that sends no nonce skips an authentication header it did not ask for', () => {
  const rig = new ClientRig({ sendNonce: false }).start();
  expect(rig.sent[0].bytes).toHaveLength(48);
  rig.answer(rig.sent[0], { withAuthentication: true, nonce: new Uint8Array(8) });
  rig.answer(rig.find('solicitation', SECONDARY), { from: SECONDARY });
  expect(rig.machine.state).toBe('qualified');
  expect(rig.status.serverResults[0].answers[0].from).toEqual(PRIMARY);
});
