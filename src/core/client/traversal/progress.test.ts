/** The reported progress of a contact with a peer. */
import { expect, test } from 'vitest';
import { at, data, teredo } from '../../../../test/support/client-rig.ts';
import { A, A_MAPPED, A_NONCE, A_SERVER, NatRig, trailersOf } from '../../../../test/support/nat-rig.ts';
import type { RigNat } from '../../../../test/support/nat-rig.ts';
import type { PortHabit } from '../../../wire/index.ts';

const OTHER_MAPPED = at('192.0.2.77:2000');
const OTHER = teredo(A_SERVER, OTHER_MAPPED);

const saying = (habit: PortHabit, echo = 0) => ({
  nonce: A_NONCE,
  guess: { habit, port: 0, step: 0, token: 0x1234, echo },
});

/** B contacts the peer, and both agree to guess. */
function agree(rig: NatRig, peer = A, mapped = A_MAPPED): NatRig {
  rig.send(data(rig.address, peer)).pass(2_000);
  const { token } = trailersOf(rig.indirect).guess!;
  rig.forwarded(saying('random', token), peer, mapped);
  return rig;
}

test('guesses are reported for their own peer only', () => {
  const rig = agree(new NatRig('restricted'));
  expect(rig.machine.progress(A, rig.now)).toMatchObject({ guess: 'agreed', guessesSent: 0 });
  rig.pass(2_000);
  const { guessesSent } = rig.machine.progress(A, rig.now)!;
  expect(guessesSent).toBeGreaterThan(500);
  expect(guessesSent).toBe(rig.machine.counters.sentGuesses);
  agree(rig.pass(10_000), OTHER, OTHER_MAPPED);
  expect(rig.machine.progress(OTHER, rig.now)).toMatchObject({ guess: 'agreed', guessesSent: 0 });
  expect(rig.machine.progress(A, rig.now)!.guessesSent).toBe(0);
});

test.each<[RigNat, PortHabit, string]>([
  ['random', 'random', 'hopeless'],
  ['random', 'counting', 'hopeless'],
  ['counting', 'random', 'hopeless'],
  ['random', 'stable', 'offered'],
  ['counting', 'counting', 'offered'],
])('after the peer has sent the habit of its NAT: own NAT %s, peer NAT %s: %s', (ours, its, stage) => {
  const rig = new NatRig(ours);
  rig.send(data(rig.address, A)).pass(2_000);
  expect(rig.machine.progress(A, rig.now)!.guess).toBe('offered');
  rig.forwarded(saying(its));
  expect(rig.machine.progress(A, rig.now)!.guess).toBe(stage);
  if (stage === 'hopeless') expect(rig.pass(10_000).machine.progress(A, rig.now)!.guess).toBe(stage);
});
