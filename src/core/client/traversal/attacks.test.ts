/** The packets and the memory that forged bubbles can cost a client, and the harm that they can do to two honest clients. */
import { describe, expect, test } from 'vitest';
import { at, data, teredo } from '../../../../test/support/client-rig.ts';
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
  trailersOf,
  B_MAPPED,
} from '../../../../test/support/nat-rig.ts';
import type { RigNat } from '../../../../test/support/nat-rig.ts';
import { CLIENT_LIMITS } from '../limits.ts';
import type { Endpoint, Ipv6 } from '../../../wire/index.ts';
import { everyNth } from '../../../../test/support/extent.ts';

const VICTIM = at('198.51.100.66:53');
const ATTACKER = at('198.18.0.66:4000');
const NATS: readonly RigNat[] = ['restricted', 'preserving', 'counting', 'random'];

const { bubbleReplies, directBubbles, indirectBubbles, unsolicitedTests, randomPorts } = CLIENT_LIMITS;
/** The most that a limit allows in that time. */
const most = ({ burst, perSecond }: { burst: number; perSecond: number }, seconds: number): number =>
  burst + perSecond * seconds;

/** The limit of all that strangers may cause, with its reserve. */
const strangers = (seconds: number): number => 1.5 * most(unsolicitedTests, seconds);

/** The i-th of an attacker's addresses, mapped there. */
const invented = (i: number, server = ATTACKER, mapped: Endpoint = { ...ATTACKER, port: 1_024 + i }): Ipv6 =>
  teredo(server, mapped);
const toAddress = (rig: NatRig, { address }: Endpoint) => rig.sent.filter((one) => one.address === address);

describe.each(everyNth(2, NATS))('20,000 forged indirect bubbles in 20 s, behind a NAT that is %s', (nat) => {
  /** Bubbles of invented peers; `name` puts the victim somewhere. */
  function flood(bubbleOf: (rig: NatRig, i: number) => void): NatRig {
    const rig = new NatRig(nat);
    for (let i = 0; i < 20_000; i++) {
      bubbleOf(rig, i);
      rig.advance(1);
      // Only bubbles to a victim count here.
      if (i % 100 === 0) rig.sent = rig.sent.filter(({ address }) => address !== ATTACKER.address);
    }
    return rig;
  }

  test('that list the victim as four alternate addresses', () => {
    const alternates = [53, 54, 55, 56].map((port) => ({ ...VICTIM, port }));
    const rig = flood((it, i) => {
      it.forwarded({ nonce: i + 1, alternates, randomPort: 9 }, invented(i), {
        ...ATTACKER,
        port: 1_024 + i,
      });
    });
    expect(toAddress(rig, VICTIM).length).toBeGreaterThan(0);
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(
      most(bubbleReplies, 20) + most(directBubbles, 20),
    );
  });

  test('of addresses mapped to the victim, each with another random port', () => {
    const rig = flood((it, i) => {
      const mapped = { ...VICTIM, port: 1_024 + i };
      const trailers = {
        nonce: i + 1,
        randomPort: 1 + (i % 60_000),
        guess: guess({ token: i + 1, echo: i }),
      };
      it.forwarded(trailers, invented(i, ATTACKER, mapped), mapped);
    });
    expect(toAddress(rig, VICTIM).length).toBeGreaterThan(0);
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(
      most(bubbleReplies, 20) + most(directBubbles, 20),
    );
  });

  test('of addresses that name the victim as their server', () => {
    const rig = flood((it, i) => {
      const trailers = {
        nonce: i + 1,
        guess: guess({ token: i + 1, habit: i % 2 === 0 ? 'random' : 'counting' }),
      };
      it.forwarded(trailers, invented(i, VICTIM), { ...ATTACKER, port: 1_024 + i });
    });
    expect(toAddress(rig, VICTIM).length).toBeGreaterThan(0);
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(most(indirectBubbles, 20));
    // A stranger costs one round, and one answer to its wish to guess.
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(2 * strangers(20));
  });

  test('open no more than half of the sockets, and ask the server no more than strangers may', () => {
    let sockets = 0;
    const rig = flood((it, i) => {
      it.forwarded({ nonce: i + 1 }, invented(i), { ...ATTACKER, port: 1_024 + i });
      sockets = Math.max(sockets, it.sockets.size);
    });
    expect(sockets).toBeLessThanOrEqual(randomPorts / 2);
    // Two tests of two questions each.
    const questions = toAddress(rig, B_SERVER).length + toAddress(rig, B_SECONDARY).length;
    expect(questions).toBeLessThanOrEqual(4 * strangers(20) + 20);
    rig.send(data(rig.address, A));
    if (nat !== 'restricted') expect(rig.sockets.size).toBeGreaterThan(0); // one is left for a peer that this host wants
    rig.pass(17_000);
    expect(rig.sockets.size).toBe(0);
    expect([...rig.machine.peers(rig.now)].length).toBeLessThanOrEqual(CLIENT_LIMITS.unverifiedPeers);
  });
});

test('one peer that floods, during our contact with it, with ever new random ports gets no more than its address may', () => {
  for (const nat of NATS) {
    const rig = new NatRig(nat);
    rig.send(data(rig.address, A));
    for (let i = 0; i < 8_000; i++) rig.forwarded({ nonce: i + 1, randomPort: 1_024 + i }).advance(1);
    expect(toAddress(rig, A_MAPPED).length).toBeLessThanOrEqual(
      most(bubbleReplies, 8) + most(directBubbles, 8),
    );
    expect(rig.all('bubble', A_SERVER).length).toBeLessThanOrEqual(4);
  }
});

test('one peer that floods, during our contact with it, with ever new offers of guesses: 64 answers a guess', () => {
  const rig = new NatRig('restricted');
  rig.send(data(rig.address, A));
  for (let i = 0; i < 8_000; i++) rig.forwarded({ nonce: i + 1, guess: guess({ token: i + 1 }) }).advance(1);
  expect(rig.all('bubble', A_SERVER).length).toBeLessThanOrEqual(4 + 2 * 64);
});

test('one stranger that floods does not keep us from another one that sends little', () => {
  const rig = new NatRig('preserving');
  for (let i = 0; i < 20_000; i++) rig.forwarded({ nonce: i + 1 }, invented(i), ATTACKER).advance(1);
  rig.clear().forwarded({ nonce: A_NONCE });
  expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
});

describe('an attacker that completes the agreement in the name of a victim', () => {
  const isProbe = (one: { address: number; port: number }) =>
    one.address === VICTIM.address && one.port !== VICTIM.port;

  test('has no more than 2 guesses of 1,700 ports sent to one IPv4 address in 300 s', () => {
    const rig = new NatRig('restricted');
    const from = rig.now;
    for (let i = 0; i < 59; i++) {
      const mapped = { ...VICTIM, port: 2_000 + i };
      agree(rig, invented(i, ATTACKER, mapped), ATTACKER, mapped).pass(10_000);
      rig.sent = rig.sent.filter((one) => isProbe(one));
    }
    const times = rig.sent.map(({ time }) => time - from);
    const within = (start: number): number =>
      times.filter((time) => time >= start && time < start + 300_000).length;
    expect(within(0)).toBeGreaterThanOrEqual(2 * 1_700);
    const replies = 59; // to the 59 mapped pairs themselves
    for (const start of new Set(times.map((time) => time - (time % 10_000)))) {
      expect(within(start)).toBeLessThanOrEqual(2 * 1_700 + 2 * replies);
    }
    expect(rig.machine.counters.suppressedGuesses).toBeGreaterThan(50);
  });

  test('of many victims: two guesses, then one in 20 s; peers that this host wants have as many again', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 100; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      agree(rig, invented(i, ATTACKER, mapped), ATTACKER, mapped).pass(1_000);
      rig.clear();
    }
    expect(rig.machine.counters.sentGuesses).toBeGreaterThan(1_700 * 2);
    expect(rig.machine.counters.sentGuesses).toBeLessThanOrEqual(1_700 * (2 + 5));
    rig.send(data(rig.address, A)).advance(2_000); // a guess is offered from the second attempt on
    const before = rig.machine.counters.sentGuesses;
    agree(rig, A, A_SERVER, A_MAPPED).pass(6_000);
    expect(rig.machine.counters.sentGuesses - before).toBeGreaterThan(1_000);
  });

  test('and is heard, but says through the server that it is not: it remains a stranger', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 20; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      const peer = invented(i, ATTACKER, mapped);
      rig.direct(mapped, {}, 0, peer).pass(2_000);
      rig.forwarded({ nonce: 1 }, peer, mapped).pass(1_000);
      agree(rig, peer, ATTACKER, mapped).pass(2_000).clear();
    }
    expect(rig.machine.counters.sentGuesses).toBeGreaterThan(1_700);
    expect(rig.machine.counters.sentGuesses).toBeLessThanOrEqual(1_700 * (2 + 100 / 20));
  });

  test.each(['random', 'counting'] as const)(
    'has them opened from no more sockets than strangers may have (%s)',
    (nat) => {
      const rig = new NatRig(nat);
      let sockets = 0;
      for (let i = 0; i < 40; i++) {
        const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
        const mine =
          nat === 'random' ? { habit: 'stable' as const } : { habit: 'counting' as const, port: 9, step: 1 };
        rig.forwarded({ nonce: 1 }, invented(i, ATTACKER, mapped), mapped);
        for (const one of rig.sent.filter(({ kind, socket }) => kind === 'solicitation' && socket !== 0))
          rig.serve(one, { ...B_MAPPED, port: 9_000 });
        agree(rig, invented(i, ATTACKER, mapped), ATTACKER, mapped, mine)
          .pass(500)
          .clear();
        sockets = Math.max(sockets, rig.sockets.size);
      }
      expect(sockets).toBeGreaterThan(17);
      expect(sockets).toBeLessThanOrEqual(randomPorts / 2);
      rig.pass(15_000);
      expect(rig.sockets.size).toBe(0);
    },
  );

  test('without our token causes no bubbles but the answers', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 2_000; i++) {
      rig
        .forwarded({ nonce: 1, guess: guess({ token: i + 1, echo: i * 7_919 }) }, invented(0), ATTACKER)
        .advance(1);
    }
    expect(rig.machine.counters.sentGuesses).toBe(0);
  });
});

describe('two honest clients whose bubbles an outsider forges', () => {
  /** All that an outsider can send: through the servers, and directly from forged sources. */
  function disturb(rig: NatRig): NatRig {
    rig
      .forwarded({})
      .forwarded({ nonce: 0x666, randomPort: 666, guess: guess({ token: 0x666, echo: 0x667 }) });
    rig.forwarded({ nonce: 0x667, guess: guess({ habit: 'counting', token: 0x668, port: 6, step: 6 }) });
    rig.direct(A_MAPPED).direct(A_MAPPED, { nonce: 0x666 }).dataFrom(A_MAPPED);
    rig.direct(at('192.0.2.1:666'), { nonce: 0x666 });
    rig.forwarded({ guess: guess({ habit: 'stable', token: 0x669 }), randomPort: 0 });
    return rig.direct(A_MAPPED).dataFrom(A_MAPPED);
  }

  test('the probes still go out, with the nonce that A has sent, and the one that hits is believed', () => {
    const rig = disturb(new NatRig('restricted'));
    rig.send(data(rig.address, A));
    for (let i = 0; i < 5; i++) disturb(rig).advance(500);
    agree(rig, A, A_SERVER, A_MAPPED);
    rig.clear();
    for (let i = 0; i < 50; i++) disturb(rig).advance(100);
    const probes = rig.sent.filter(
      ({ address, port }) => address === A_MAPPED.address && port !== A_MAPPED.port,
    );
    expect(probes.length).toBeGreaterThanOrEqual(1_700);
    expect(probes.every((one) => trailersOf(one).nonce === A_NONCE)).toBe(true);
    const hit = probes.at(-1)!;
    rig.direct(hit, { nonce: rig.nonce });
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:${hit.port}`);
    for (let i = 0; i < 10; i++) disturb(rig).advance(100);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:${hit.port}`);
  });

  test.each(['random', 'preserving', 'counting'] as const)(
    'behind a NAT that is %s, A is found by its nonce',
    (nat) => {
      const rig = disturb(new NatRig(nat));
      rig.send(data(rig.address, A));
      for (let i = 0; i < 20; i++) disturb(rig).advance(200);
      rig.forwarded({ nonce: A_NONCE });
      rig.send(data(rig.address, A)).pass(4_000).forwarded({ nonce: A_NONCE });
      const place = at('192.0.2.1:5000');
      rig.direct(place, { nonce: rig.nonce });
      expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
      for (let i = 0; i < 20; i++) disturb(rig).advance(200);
      expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
    },
  );

  test('a peer that seems to be elsewhere is asked again while we send, and a guess is offered', () => {
    const rig = new NatRig('random');
    rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).direct(A_MAPPED);
    for (const one of rig.all('solicitation')) rig.serve(one, { ...B_MAPPED, port: 50_000 });
    rig.clear();
    for (let i = 0; i < 60; i++) rig.send(data(rig.address, A)).direct(A_MAPPED).advance(100);
    expect(rig.all('bubble', A_SERVER).some((one) => trailersOf(one).guess !== undefined)).toBe(true);
  });

  test('others cannot take back that A has nonces and a symmetric NAT: the offer of a guess stands', () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A)).advance(2_000);
    const { token } = trailersOf(rig.indirect).guess!;
    rig.forwarded({ nonce: A_NONCE, guess: guess() });
    rig.forwarded({ guess: guess({ habit: 'stable', token: 0x669 }) }).direct(A_MAPPED);
    rig.forwarded({ nonce: A_NONCE, guess: guess({ echo: token }) }).advance(6_000);
    expect(rig.machine.counters.sentGuesses).toBe(1_700);
  });

  test('the openings continue, and the way that they have found is kept', () => {
    const rig = new NatRig('random');
    rig.send(data(rig.address, A)).advance(2_000);
    for (const one of rig.sent.filter(({ socket }) => socket !== 0)) {
      if (one.kind === 'solicitation') rig.serve(one, { ...B_MAPPED, port: 50_000 + (one.address % 97) });
    }
    agree(rig, A, A_SERVER, A_MAPPED, { habit: 'stable' });
    for (let i = 0; i < 10; i++) disturb(rig).advance(100);
    expect(rig.sockets.size).toBeGreaterThanOrEqual(256);
    const socket = Math.max(...rig.sockets);
    rig.direct(A_MAPPED, { nonce: rig.nonce }, socket);
    for (let i = 0; i < 10; i++) disturb(rig).advance(100);
    expect([...rig.sockets]).toEqual([socket]);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${socket}`);
  });
});

describe('nonces', () => {
  test('of two rounds ago move no peer', () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A));
    const { nonce } = rig;
    rig.pass(4_000).direct(ATTACKER, { nonce });
    expect(rig.trusted).toBe(false);
  });

  test('of a forgotten peer move no peer: neither its successor in the table nor the peer itself when it is known again', () => {
    const rig = new NatRig('restricted', { limits: { trustedPeers: 3, unverifiedPeers: 1 } });
    rig.send(data(rig.address, A));
    const { nonce } = rig;
    // Each makes room by having the one before forgotten; some take A's place in the table, which has four.
    const others = Array.from({ length: 8 }, (_, i) => invented(i, A_SERVER, { ...A_MAPPED, port: 7 + i }));
    for (const peer of [...others, A]) {
      rig.send(data(rig.address, peer));
      rig.direct(ATTACKER, { nonce }, 0, A).direct(ATTACKER, { nonce }, 0, peer);
      expect(rig.trusted).toBe(false);
    }
    expect(toAddress(rig, ATTACKER)).toEqual([]);
    // A's last one does.
    expect(rig.direct(at('192.0.2.1:5000'), { nonce: rig.nonce }).whereDataGoes()).toBe('192.0.2.1:5000');
  });

  test('of a peer that found no room do not pass to the next one', () => {
    const rig = new NatRig('restricted', { limits: { trustedPeers: 1, unverifiedPeers: 1 } });
    rig.direct(ATTACKER, {}, 0, teredo(A_SERVER, ATTACKER));
    rig.send(data(rig.address, A));
    const { nonce } = rig;
    rig.direct(at('192.0.2.1:5000'), { nonce }); // proven, but there is no room
    const other = teredo(A_SERVER, at('192.0.2.77:7'));
    rig.receive(B_SERVER, new Uint8Array(0));
    rig.forwarded({ nonce: 5 }, other, at('192.0.2.77:7'));
    rig.clear().direct(ATTACKER, { nonce }, 0, other);
    expect(rig.all('bubble', ATTACKER)).toEqual([]);
  });

  test('shown from private, loopback, group or broadcast addresses cause no packets to there', () => {
    for (const place of ['10.1.2.3:9', '192.168.0.1:9', '127.0.0.1:9', '224.0.0.1:9', '172.16.7.255:9']) {
      const rig = new NatRig('restricted');
      rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE });
      rig.clear().direct(at(place), { nonce: nonceOf(rig) });
      expect(toAddress(rig, at(place))).toEqual([]);
      expect(rig.trusted).toBe(false);
    }
  });
});

function nonceOf(rig: NatRig): number {
  rig.pass(2_000);
  return rig.nonce;
}

describe('strangers list the address of a peer as one of theirs, from ten IPv4 addresses', () => {
  /** The strangers list the address for a minute; `every` is called each second. */
  function listing(every: (rig: NatRig) => void): void {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 6_000; i++) {
      const mapped = { address: ATTACKER.address + (i % 10), port: 1_024 + i };
      const alternates = [1, 2, 3, 4].map((n) => ({ ...A_MAPPED, port: 10_000 + 4 * i + n }));
      rig.forwarded({ nonce: i + 1, alternates }, invented(i, ATTACKER, mapped), mapped);
      // The answers of this host begin contacts with them.
      rig.send(data(rig.address, invented(i, ATTACKER, mapped))).advance(10);
      if (i >= 3_000 && i % 100 === 0) every(rig.clear() as NatRig);
      else rig.clear();
    }
  }

  test('a new peer at that address is still answered', () => {
    let [asked, answered] = [0, 0];
    listing((rig) => {
      const peer = teredo(A_SERVER, { ...A_MAPPED, port: 2_000 + asked++ });
      rig.forwarded({ nonce: A_NONCE }, peer, A_MAPPED);
      if (rig.all('bubble', { ...A_MAPPED, port: 1_999 + asked }).length > 0) answered++;
    });
    expect([asked, answered]).toEqual([30, 30]);
  });
});
