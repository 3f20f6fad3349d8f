/** Whether peers that the client hears also hear the client: which peers are asked, when, and the consequences for other peers. */
import { describe, expect, test } from 'vitest';
import { at, data, teredo, v4 } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_MAPPED,
  B_SECONDARY,
  B_SERVER,
  NatRig,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';

const MEETING = at('192.0.2.200:3545');
const DEAF_MAPPED = at('192.0.2.77:2000');
const DEAF = teredo(A_SERVER, DEAF_MAPPED);

/** Another network, in which the host has the same address. */
const NETWORK = { subnets: [], localAddress: v4('172.16.7.2') };

/** Questions whether A hears the client. */
const questions = (rig: NatRig) =>
  rig.all('bubble').filter((one) => trailersOf(one).neighborDiscovery === 'solicitation');

/** The NAT of B is not symmetric. A reaches B, and B has the nonce of A. */
function reached(): NatRig {
  const rig = new NatRig('restricted');
  rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).direct(A_MAPPED);
  return rig.clear();
}

describe('a valid peer that sends an indirect bubble', () => {
  test.each([
    [499, 0],
    [500, 1],
  ])('%i ms after it was trusted is asked %i times whether it hears the client', (after, count) => {
    const rig = reached().advance(after) as NatRig;
    rig.forwarded({ nonce: A_NONCE });
    expect(questions(rig)).toHaveLength(count);
  });

  test.each([
    [499, 0],
    [500, 1],
  ])('%i ms after its last packet is asked %i times', (after, count) => {
    const rig = reached().advance(1_000) as NatRig;
    rig.dataFrom(A_MAPPED).advance(after);
    rig.forwarded({ nonce: A_NONCE });
    expect(questions(rig)).toHaveLength(count);
  });

  test('is asked at its current address and port, with its nonce', () => {
    const rig = reached().advance(1_000) as NatRig;
    rig.forwarded({ nonce: A_NONCE });
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096']);
    expect(trailersOf(questions(rig)[0]!).nonce).toBe(A_NONCE);
  });

  test('and does not answer for 0.5 s is tried by other paths; one that answers is not', () => {
    for (const isAnswered of [false, true]) {
      const rig = reached().advance(1_000) as NatRig;
      rig.forwarded({ nonce: A_NONCE }).advance(499);
      if (isAnswered) rig.direct(A_MAPPED, { neighborDiscovery: 'advertisement' });
      expect(rig.all('bubble', A_SERVER)).toEqual([]);
      rig.advance(1);
      expect(rig.all('bubble', A_SERVER)).toHaveLength(isAnswered ? 0 : 1);
    }
  });
});

test('no other path is tried for a peer that was asked before an interruption', () => {
  const rig = reached().advance(1_000) as NatRig;
  rig.forwarded({ nonce: A_NONCE });
  expect(questions(rig)).toHaveLength(1);
  rig.clear().machine.networkChanged(rig.now, NETWORK);
  rig.drain().advance(1_000);
  for (const server of [B_SERVER, B_SECONDARY]) rig.serve(rig.find('solicitation', server), B_MAPPED);
  expect(rig.machine.state).toBe('qualified');
  rig.advance(1_000);
  expect(rig.bubbles).toEqual([]);
  expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
});

test('a peer reached through the meeting relay (docs/adr/0017) is not asked, although it shows the nonce there', () => {
  const rig = new NatRig('random', { meet: MEETING });
  rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).pass(4_000).direct(MEETING);
  const { nonce } = rig;
  rig.clear().direct(MEETING, { nonce }).pass(2_000);
  expect(rig.bubbles).toEqual([]);
  expect(rig.whereDataGoes()).toBe('192.0.2.200:3545');
});

describe('behind a symmetric NAT that admits packets from peers that the client cannot reach', () => {
  /** A deaf peer: the client hears it, but it does not confirm that it hears the client. */
  type Deaf =
    | 'none'
    | 'wanted'
    | 'a stranger'
    | 'wanted, on its own socket'
    | 'wanted, before an interruption';

  function withDeaf(deaf: Deaf): NatRig {
    const rig = new NatRig('preserving');
    if (deaf !== 'none') {
      if (deaf !== 'a stranger') rig.send(data(rig.address, DEAF));
      rig.forwarded({ nonce: 5 }, DEAF, DEAF_MAPPED);
      const socket = deaf === 'wanted, on its own socket' ? Math.max(...rig.sockets) : 0;
      rig.direct(DEAF_MAPPED, { nonce: rig.nonce }, socket, DEAF);
      for (let i = 0; i < 4; i++) rig.pass(1_000).send(data(rig.address, DEAF));
    }
    if (deaf === 'wanted, before an interruption') interrupt(rig);
    return rig.clear();
  }

  /** The client moves to another network and qualifies behind its NAT. */
  function interrupt(rig: NatRig): void {
    rig.machine.networkChanged(rig.now, NETWORK);
    rig.drain();
    rig.serve(rig.find('solicitation', B_SERVER), B_MAPPED);
    rig.serve(rig.find('solicitation', B_SECONDARY), { ...B_MAPPED, port: 61_000 });
    expect(rig.machine.state).toBe('qualified');
  }

  const CASES: [deaf: Deaf, isKnown: boolean][] = [
    ['none', false],
    ['wanted', true],
    ['a stranger', false],
    ['wanted, on its own socket', false],
    ['wanted, before an interruption', false],
  ];

  test.each(CASES)(
    'E-72: a peer reached on its own socket stays on it if a deaf peer was heard on the service port before (deaf peer: %s; stays: %s)',
    (deaf, isKnown) => {
      const rig = withDeaf(deaf);
      rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE });
      const socket = Math.max(...rig.sockets);
      rig.direct(A_MAPPED, { nonce: rig.nonce }, socket);
      expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${socket}`);
      rig.direct(A_MAPPED, { nonce: rig.nonce });
      expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096${isKnown ? ` from ${socket}` : ''}`);
    },
  );

  test.each(CASES)(
    'E-70: the socket of a peer heard on the service port stays open if a deaf peer was heard there before (deaf peer: %s; stays open: %s)',
    (deaf, isKnown) => {
      const rig = withDeaf(deaf);
      const before = [...rig.sockets];
      rig.send(data(rig.address, A)).forwarded();
      const [socket] = [...rig.sockets].filter((one) => !before.includes(one));
      expect(socket).toBeDefined();
      rig.direct(A_MAPPED); // it uses no nonces: no sign shows whether it hears the client
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
      expect(rig.sockets.has(socket!)).toBe(isKnown);
    },
  );
});
