/** Whether peers that we hear hear us: which are asked, when, and the consequences for others. */
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

/** Another one, in which the host has the address that it had. */
const NETWORK = { subnets: [], localAddress: v4('172.16.7.2') };

/** Questions whether A hears us. */
const questions = (rig: NatRig) =>
  rig.all('bubble').filter((one) => trailersOf(one).neighborDiscovery === 'solicitation');

/** The NAT of B is not symmetric. A reaches B, and B has the nonce of A. */
function reached(): NatRig {
  const rig = new NatRig('restricted');
  rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).direct(A_MAPPED);
  return rig.clear();
}

describe('a valid peer that asks through its server', () => {
  test.each([
    [499, 0],
    [500, 1],
  ])('%i ms after it was trusted is asked %i times whether it hears us', (after, count) => {
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

  test('is asked with its nonce, where it is sent to', () => {
    const rig = reached().advance(1_000) as NatRig;
    rig.forwarded({ nonce: A_NONCE });
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096']);
    expect(trailersOf(questions(rig)[0]!).nonce).toBe(A_NONCE);
  });

  test('and does not answer for 0.5 s is sought by other ways; one that answers is not', () => {
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

test('a peer that was asked before the client was interrupted is not sought', () => {
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

test('a peer that is reached via our own relay (docs/adr/0017) is not asked, though it shows our nonce there', () => {
  const rig = new NatRig('random', { meetingRelay: MEETING });
  rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).pass(4_000).direct(MEETING);
  const { nonce } = rig;
  rig.clear().direct(MEETING, { nonce }).pass(2_000);
  expect(rig.bubbles).toEqual([]);
  expect(rig.whereDataGoes()).toBe('192.0.2.200:3545');
});

describe('behind a symmetric NAT that admits peers that our packets do not reach', () => {
  /** A peer that was heard by the service port and gives no sign that it hears us: wanted, or a stranger. */
  type Deaf =
    | 'none'
    | 'wanted'
    | 'stranger'
    | 'wanted, by a socket of his own'
    | 'wanted, before an interruption';

  function withDeaf(deaf: Deaf): NatRig {
    const rig = new NatRig('preserving');
    if (deaf !== 'none') {
      if (deaf !== 'stranger') rig.send(data(rig.address, DEAF));
      rig.forwarded({ nonce: 5 }, DEAF, DEAF_MAPPED);
      const socket = deaf === 'wanted, by a socket of his own' ? Math.max(...rig.sockets) : 0;
      rig.direct(DEAF_MAPPED, { nonce: rig.nonce }, socket, DEAF);
      for (let i = 0; i < 4; i++) rig.pass(1_000).send(data(rig.address, DEAF));
    }
    if (deaf === 'wanted, before an interruption') interrupt(rig);
    return rig.clear();
  }

  /** Another network, behind whose NAT it is qualified anew. */
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
    ['stranger', false],
    ['wanted, by a socket of his own', false],
    ['wanted, before an interruption', false],
  ];

  test.each(CASES)(
    'E-72: a peer that is reached by its own socket does not return from it; peer that does not hear us: %s; so: %s',
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
    'E-70: the socket of a peer that is heard by the service port stays open; peer that does not hear us: %s; so: %s',
    (deaf, isKnown) => {
      const rig = withDeaf(deaf);
      const before = [...rig.sockets];
      rig.send(data(rig.address, A)).forwarded();
      const [socket] = [...rig.sockets].filter((one) => !before.includes(one));
      expect(socket).toBeDefined();
      rig.direct(A_MAPPED); // it has no nonces: no sign can show whether it hears us
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
      expect(rig.sockets.has(socket!)).toBe(isKnown);
    },
  );
});
