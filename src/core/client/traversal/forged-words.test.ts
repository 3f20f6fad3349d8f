/** Bubbles forged in a peer's name and sent through servers: they move no session and avoid no limit. */
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
  agree,
  guess,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';

const ATTACKER = at('198.18.0.66:4000');
const VICTIM = at('198.51.100.66:53');

describe('a peer that is heard is not moved', () => {
  test('control: without a forged bubble there is no indirect bubble', () => {
    const rig = new NatRig('restricted');
    rig
      .send(data(rig.address, A))
      .forwarded({ nonce: A_NONCE })
      .direct(A_MAPPED, { nonce: A_NONCE })
      .dataFrom(A_MAPPED);
    rig.clear();
    for (let i = 0; i < 40; i++) rig.send(data(rig.address, A)).dataFrom(A_MAPPED).advance(100);
    expect(rig.all('bubble', A_SERVER)).toEqual([]);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
  });

  test.each([{}, { nonce: A_NONCE }] as const)(
    "by a sender that sees the client's indirect bubbles and forges one (%o)",
    (honest) => {
      const rig = new NatRig('restricted');
      rig.send(data(rig.address, A)).forwarded(honest).direct(A_MAPPED, honest).dataFrom(A_MAPPED);
      const talk = (ms: number) => {
        for (let i = 0; i < ms / 100; i++) rig.send(data(rig.address, A)).dataFrom(A_MAPPED).advance(100);
      };
      talk(1_000);
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
      rig.clear();
      rig.forwarded({ nonce: 0x666, guess: guess({ habit: 'random' }) }); // forged
      talk(3_000); // A is heard all the time, and receives the client's packets
      const seen = rig.all('bubble', A_SERVER).at(-1);
      if (seen !== undefined) rig.direct(ATTACKER, { nonce: trailersOf(seen).nonce! });
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
    },
  );

  test('by a forged nonce of A, which uses none, if the client is behind a symmetric NAT', () => {
    const rig = new NatRig('random');
    rig.send(data(rig.address, A)).forwarded().direct(A_MAPPED).dataFrom(A_MAPPED).pass(1_000).clear();
    rig.forwarded({ nonce: 0x666 }); // forged
    for (let i = 0; i < 80; i++) rig.send(data(rig.address, A)).dataFrom(A_MAPPED).advance(100);
    expect(rig.all('bubble', A_SERVER)).toEqual([]); // no other path to A is tried
    expect(rig.sockets.size).toBe(0);
    expect(rig.all('data', A_MAPPED)).toHaveLength(80);
  });

  test('and one forged bubble does not cause endless questions through servers', () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A)).forwarded().direct(A_MAPPED).dataFrom(A_MAPPED);
    rig.forwarded({ nonce: 0x666, guess: guess({ habit: 'random' }) });
    rig.clear();
    let asked = 0;
    for (let i = 0; i < 600; i++) {
      rig.send(data(rig.address, A)).dataFrom(A_MAPPED).pass(100);
      asked += rig.all('bubble', A_SERVER).length;
      rig.clear();
    }
    expect(asked).toBeLessThanOrEqual(1);
  });
});

test('a peer that is heard is not moved, although forged bubbles come more often than its answers', () => {
  const rig = new NatRig('restricted');
  const honest = { nonce: A_NONCE };
  rig.send(data(rig.address, A)).forwarded(honest).direct(A_MAPPED, honest).dataFrom(A_MAPPED);
  let answeredAt = -Infinity;
  for (let i = 0; i < 160; i++) {
    const before = rig.sent.length;
    rig.forwarded({ nonce: 0x666 }); // forged
    const asked = rig.sent
      .slice(before)
      .some((one) => one.to(A_MAPPED) && trailersOf(one).neighborDiscovery === 'solicitation');
    rig.pass(125);
    if (!asked || rig.now - answeredAt < 2_000) continue;
    answeredAt = rig.now;
    rig.direct(A_MAPPED, { neighborDiscovery: 'advertisement' });
  }
  const seen = rig.sent.findLast((one) => one.to(A_SERVER));
  rig.direct(ATTACKER, { nonce: trailersOf(seen!).nonce! });
  expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
});

describe('a sender of one forged direct bubble is still a stranger', () => {
  test('and gets at most half of the guesses', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 20; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      const peer = teredo(ATTACKER, mapped);
      rig.direct(mapped, {}, 0, peer);
      agree(rig, peer, ATTACKER, mapped).pass(2_000).clear();
    }
    // in 40 s: two at once, then one in 20 s
    expect(rig.machine.counters.sentGuesses).toBeLessThanOrEqual(1_700 * (2 + 40 / 20));
  });

  test('and causes no more bubbles to others than strangers may: 40/s', () => {
    const rig = new NatRig('restricted');
    const peer = teredo(ATTACKER, ATTACKER);
    rig.direct(ATTACKER, {}, 0, peer);
    rig.forwarded({ nonce: 1, guess: guess() }, peer, ATTACKER).clear();
    for (let i = 0; i < 10_000; i++) {
      const alternates = [0, 1, 2, 3].map((j) => ({
        address: VICTIM.address + 0x100 * ((i * 7_919 * (j + 1)) % 1_000),
        port: 53 + ((i * 31 + j * 977) % 60_000),
      }));
      rig.forwarded({ nonce: 1, alternates }, peer, ATTACKER).advance(1);
    }
    const victims = rig.sent.filter(({ address, kind }) => kind === 'bubble' && address !== ATTACKER.address);
    // four for each contact that strangers may cause in 10 s, reserve included
    expect(victims.length).toBeLessThanOrEqual(4 * 1.5 * (50 + 10 * 10));
  });
});

test('a stranger that does not answer data does not change how other peers are reached (E-70, E-72)', () => {
  const run = (isDisturbed: boolean): string | undefined => {
    const rig = new NatRig('preserving');
    if (isDisturbed) {
      // The stranger is heard, asks through its server, and then says nothing for half a second.
      const peer = teredo(ATTACKER, ATTACKER);
      rig.direct(ATTACKER, {}, 0, peer).pass(2_000);
      rig.forwarded({}, peer, ATTACKER).pass(20_000);
      rig.machine.networkChanged(rig.now, { subnets: [], localAddress: v4('10.0.0.1') }); // the next one comes in another network
      rig.drain();
      rig.serve(rig.find('solicitation', B_SERVER), B_MAPPED);
      rig.serve(rig.find('solicitation', B_SECONDARY), { ...B_MAPPED, port: 61_000 });
      expect(rig.machine.state).toBe('qualified');
    }
    rig.clear().send(data(rig.address, A)).forwarded({ nonce: A_NONCE });
    rig.pass(2_000).forwarded({ nonce: A_NONCE });
    const socket = Math.max(...rig.sockets);
    rig.direct(A_MAPPED, { nonce: rig.nonce }, socket);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${socket}`);
    rig.advance(100).direct(A_MAPPED, { nonce: rig.nonce });
    return rig.whereDataGoes();
  };
  expect(run(false)).toBe(run(true));
});
