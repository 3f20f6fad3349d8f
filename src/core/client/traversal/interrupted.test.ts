/** Questions to servers for a peer end when the client is no longer qualified, or has other servers. */
import { describe, expect, test } from 'vitest';
import { at, data, v4 } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_SECONDARY,
  B_SERVER,
  NatRig,
  agree,
  guess,
  B_MAPPED,
} from '../../../../test/support/nat-rig.ts';

describe("an advertisement for a peer's socket while the client is not qualified", () => {
  const B_NETWORK = {
    subnets: [
      { address: v4('172.16.7.2'), prefixLength: 24 },
      { address: v4('10.9.0.1'), prefixLength: 24 },
    ],
    localAddress: v4('172.16.7.2'),
  };
  /** The answers to the two questions of an Echo Test. */
  const answers = (rig: NatRig) =>
    rig.sent.filter(({ kind, socket }) => kind === 'solicitation' && socket !== 0);

  test('in an Echo Test, for a peer with a known port habit', () => {
    const rig = new NatRig('counting');
    rig.forwarded({ nonce: A_NONCE, guess: guess() }); // guessing is hopeless: the habit is kept
    rig.pass(20_000).clear();
    rig.send(data(rig.address, A));
    const asked = answers(rig);
    expect(asked).toHaveLength(2);
    rig.machine.networkChanged(rig.now, B_NETWORK);
    rig.drain();
    expect(rig.machine.state).toBe('probe');
    asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: 9_000 + 2 * i }));
  });

  test('in a measurement before a guess between two counting NATs', () => {
    const rig = new NatRig('counting');
    rig.send(data(rig.address, A)).advance(4_500);
    agree(rig, A, A_SERVER, A_MAPPED, { habit: 'counting' });
    const asked = answers(rig).slice(-2);
    rig.machine.networkChanged(rig.now, B_NETWORK);
    rig.drain();
    asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: 9_000 + 2 * i }));
  });

  test('only solicitations are sent (CL-4)', () => {
    const rig = new NatRig('counting');
    rig.send(data(rig.address, A));
    const asked = answers(rig);
    rig.machine.networkChanged(rig.now, B_NETWORK);
    rig.drain().clear();
    asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: 9_000 + 2 * i }));
    expect(rig.bubbles).toEqual([]);
  });

  test('the list of servers becomes shorter during an Echo Test', () => {
    const other = at('198.51.100.200:3544').address;
    const rig = new NatRig('counting');
    const b = { primary: B_SERVER.address, secondary: B_SECONDARY.address };
    rig.machine.setServers([{ primary: other, secondary: undefined }, b], rig.now);
    rig.drain().send(data(rig.address, A));
    const asked = answers(rig);
    rig.machine.setServers([b], rig.now);
    rig.drain();
    asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: 9_000 + 2 * i }));
  });
});
