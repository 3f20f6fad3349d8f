/** The limits of guesses, and their destinations. docs/adr/0016 */
import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import { at, data, teredo } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_MAPPED,
  NatRig,
  agree,
  guess,
  lastGuess,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';
import { CLIENT_LIMITS } from '../limits.ts';

const ATTACKER = at('198.18.0.66:4000');
const VICTIM = at('198.51.100.66:53');

describe('postponed guesses', () => {
  test('do not use up the limit of their address', () => {
    const rig = new NatRig('restricted');
    // Others have used up the share of strangers, and the whole limit.
    for (let i = 0; i < 6; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      const peer = teredo(A_SERVER, mapped);
      rig.send(data(rig.address, peer)).advance(2_000);
      agree(rig, peer, A_SERVER, mapped).pass(500).clear();
    }
    const begun = rig.machine.counters.sentGuesses;
    rig.send(data(rig.address, A)).advance(2_000);
    for (let i = 0; i < 3; i++) agree(rig, A, A_SERVER, A_MAPPED).pass(100);
    expect(rig.machine.counters.sentGuesses).toBeLessThanOrEqual(begun + 1_700 * 2);
    const before = rig.machine.counters.sentGuesses;
    rig.pass(60_000).clear(); // by now there is room for five more
    rig.send(data(rig.address, A)).advance(2_000);
    agree(rig, A, A_SERVER, A_MAPPED).pass(7_000);
    expect(rig.machine.counters.sentGuesses - before).toBeGreaterThan(1_000);
  });

  test.each([
    ['has packets for', (rig: NatRig) => rig.send(data(rig.address, A))],
    ['asks for without any', (rig: NatRig) => void rig.machine.contact(A, rig.now)],
  ])('a peer that this host %s is not a stranger, although its bubble came first', (_, want) => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 4; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      agree(rig, teredo(ATTACKER, mapped), ATTACKER, mapped).pass(200).clear();
    }
    const before = rig.machine.counters.sentGuesses;
    rig.forwarded({ nonce: A_NONCE, guess: guess() }); // A sends first,
    want(rig); // then this host wants it, too
    rig.drain().advance(2_000);
    agree(rig, A, A_SERVER, A_MAPPED);
    rig.pass(6_000);
    const probes = rig.sent.filter(
      ({ address, port }) => address === A_MAPPED.address && port !== A_MAPPED.port,
    );
    expect(rig.machine.counters.sentGuesses - before).toBeGreaterThan(1_000);
    expect(probes.length).toBeGreaterThan(1_000);
  });
});

test.each([
  [512, 0],
  [260, 0],
  [240, 1],
])('%i sockets at most: a guess of a stranger reports the limit %i times', (randomPorts, times) => {
  const rig = new NatRig('random', { limits: { ...CLIENT_LIMITS, randomPorts } });
  agree(rig, A, A_SERVER, A_MAPPED, { habit: 'stable' }).pass(500);
  expect(rig.machine.counters.sentGuesses).toBeGreaterThan(100);
  expect(reached(rig.machine, 'random-ports')[0]).toBe(times);
});

test('no socket is wanted on a port number that does not exist', () => {
  // A NAT that preserves the port of the first mapping and continues with the next ports.
  const rig = new NatRig('counting', { servicePort: B_MAPPED.port });
  const server = at('9.9.9.9:3544');
  const peer = teredo(server, A_MAPPED); // the higher address is ours: the client sends the fan
  rig.send(data(rig.address, peer)).advance(4_500);
  agree(rig, peer, server, A_MAPPED, { habit: 'counting' });
  const asked = rig.sent.filter(({ kind, socket }) => kind === 'solicitation' && socket !== 0).slice(-2);
  asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: 65_520 + 2 * i }));
  const echo = trailersOf(lastGuess(rig, server)!).guess!.token;
  rig.forwarded(
    { nonce: A_NONCE, guess: guess({ habit: 'counting', echo, port: 50_000, step: 1 }) },
    peer,
    A_MAPPED,
  );
  rig.advance(1_000);
  const ports = rig.wantedPorts.filter((port) => port !== undefined);
  expect(ports.filter((port) => port > 65_535)).toEqual([]);
});
