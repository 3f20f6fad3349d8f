/** Forged bubbles: the datagrams and the state that they cause at a client, and their effect on two honest clients. */
import { describe, expect, test } from 'vitest';
import { at, data, echoRequest, pong, teredo, withOrigin } from '../../../../test/support/client-rig.ts';
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
import { formatIpv4 } from '../../../wire/index.ts';
import type { Endpoint, Ipv6 } from '../../../wire/index.ts';
import { everyNth } from '../../../../test/support/extent.ts';
import { reached } from '../../../../test/support/limit-hits.ts';

const VICTIM = at('198.51.100.66:53');
const ATTACKER = at('198.18.0.66:4000');
const NATS: readonly RigNat[] = ['restricted', 'preserving', 'counting', 'random'];

const { bubbleReplies, directBubbles, indirectBubbles, unsolicitedTests, randomPorts } = CLIENT_LIMITS;
/** The most that a limit allows in this time (s). */
const most = ({ burst, perSecond }: { burst: number; perSecond: number }, seconds: number): number =>
  burst + perSecond * seconds;

/** The most that strangers may cause in this time (s), reserve included. */
const strangers = (seconds: number): number => 1.5 * most(unsolicitedTests, seconds);

/** The i-th Teredo address of an attacker. */
const invented = (i: number, server = ATTACKER, mapped: Endpoint = { ...ATTACKER, port: 1_024 + i }): Ipv6 =>
  teredo(server, mapped);
const toAddress = (rig: NatRig, { address }: Endpoint) => rig.sent.filter((one) => one.address === address);

describe.each(everyNth(2, NATS))('20,000 forged indirect bubbles in 20 s, behind a NAT that is %s', (nat) => {
  /** Sends 20,000 bubbles of invented peers; `bubbleOf` puts the victim's address into them. */
  function flood(bubbleOf: (rig: NatRig, i: number) => void): NatRig {
    const rig = new NatRig(nat);
    for (let i = 0; i < 20_000; i++) {
      bubbleOf(rig, i);
      rig.advance(1);
      // Keep only datagrams to the victim.
      if (i % 100 === 0) rig.sent = rig.sent.filter(({ address }) => address !== ATTACKER.address);
    }
    return rig;
  }

  test('with the victim as four alternate addresses', () => {
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

  test('of peers with the victim as mapped address, each with another random port', () => {
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

  test('of peers with the victim as their server', () => {
    const rig = flood((it, i) => {
      const trailers = {
        nonce: i + 1,
        guess: guess({ token: i + 1, habit: i % 2 === 0 ? 'random' : 'counting' }),
      };
      it.forwarded(trailers, invented(i, VICTIM), { ...ATTACKER, port: 1_024 + i });
    });
    expect(toAddress(rig, VICTIM).length).toBeGreaterThan(0);
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(most(indirectBubbles, 20));
    // For each stranger: one round, and one answer to its guess trailer.
    expect(toAddress(rig, VICTIM).length).toBeLessThanOrEqual(2 * strangers(20));
  });

  test('open at most half of the sockets, and cause no more questions to the server than strangers may', () => {
    let sockets = 0;
    const rig = flood((it, i) => {
      it.forwarded({ nonce: i + 1 }, invented(i), { ...ATTACKER, port: 1_024 + i });
      sockets = Math.max(sockets, it.sockets.size);
    });
    expect(sockets).toBeLessThanOrEqual(randomPorts / 2);
    // Two Echo Tests of two questions each.
    const questions = toAddress(rig, B_SERVER).length + toAddress(rig, B_SECONDARY).length;
    expect(questions).toBeLessThanOrEqual(4 * strangers(20) + 20);
    rig.send(data(rig.address, A));
    if (nat !== 'restricted') expect(rig.sockets.size).toBeGreaterThan(0); // a peer that this host wants still gets one
    rig.pass(17_000);
    expect(rig.sockets.size).toBe(0);
    expect([...rig.machine.peers(rig.now)].length).toBeLessThanOrEqual(CLIENT_LIMITS.peers.unverified);
  });
});

test.each(everyNth(2, NATS))(
  'strangers whose pings this host answers, and that are then reached, have half of the sockets: %s',
  (nat) => {
    const rig = new NatRig(nat);
    let most = 0;
    for (let i = 0; i < 1_200; i++) {
      const mapped = { address: ATTACKER.address + 256 * i, port: 4_000 };
      const peer = teredo(ATTACKER, mapped);
      rig.clear().receive(B_SERVER, withOrigin(mapped, echoRequest(peer, rig.address)));
      rig
        .send(pong(rig.address, peer))
        .forwarded({ nonce: i + 1 }, peer, mapped)
        .pass(100);
      const shown = rig.sent
        .filter(({ kind, address }) => kind === 'bubble' && address === ATTACKER.address)
        .map((one) => trailersOf(one).nonce);
      for (const nonce of shown)
        for (const socket of rig.sockets) rig.direct(mapped, { nonce: nonce! }, socket, peer);
      most = Math.max(most, rig.sockets.size);
    }
    expect(most).toBeLessThanOrEqual(randomPorts / 2);
    rig.clear().send(data(rig.address, A)).pass(100);
    if (nat !== 'restricted') expect(rig.sockets.size).toBeGreaterThan(most === 0 ? 0 : 1);
  },
);

test('a peer that this host contacts floods with new random ports: bubbles up to the limit of its address', () => {
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

test('a peer that this host contacts floods with new guess trailers: 64 answers in a guess', () => {
  const rig = new NatRig('restricted');
  rig.send(data(rig.address, A));
  for (let i = 0; i < 8_000; i++) rig.forwarded({ nonce: i + 1, guess: guess({ token: i + 1 }) }).advance(1);
  expect(rig.all('bubble', A_SERVER).length).toBeLessThanOrEqual(4 + 2 * 64);
});

test('a stranger that floods does not prevent contact with another one', () => {
  const rig = new NatRig('preserving');
  for (let i = 0; i < 20_000; i++) rig.forwarded({ nonce: i + 1 }, invented(i), ATTACKER).advance(1);
  rig.clear().forwarded({ nonce: A_NONCE });
  expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
});

describe('an attacker that completes the agreement to guess, with a victim as mapped address', () => {
  const isProbe = (one: { address: number; port: number }) =>
    one.address === VICTIM.address && one.port !== VICTIM.port;

  test('causes at most 2 guesses of 1,700 ports to one IPv4 address in 300 s', () => {
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

  test('with many victims: two guesses, then one in 20 s; peers that this host wants have as many again', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 100; i++) {
      const mapped = { address: VICTIM.address + 0x100 * i, port: 2_000 };
      agree(rig, invented(i, ATTACKER, mapped), ATTACKER, mapped).pass(1_000);
      rig.clear();
    }
    expect(rig.machine.counters.sentGuesses).toBeGreaterThan(1_700 * 2);
    expect(rig.machine.counters.sentGuesses).toBeLessThanOrEqual(1_700 * (2 + 5));
    rig.send(data(rig.address, A)).advance(2_000); // the client offers to guess from the second attempt on
    const before = rig.machine.counters.sentGuesses;
    agree(rig, A, A_SERVER, A_MAPPED).pass(6_000);
    expect(rig.machine.counters.sentGuesses - before).toBeGreaterThan(1_000);
  });

  test('is heard, and sends indirect bubbles as if it did not hear the client: it is still a stranger', () => {
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
    'causes openings from at most as many sockets as strangers may have (%s)',
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

  test('without the token of the client causes only answers', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 2_000; i++) {
      rig
        .forwarded({ nonce: 1, guess: guess({ token: i + 1, echo: i * 7_919 }) }, invented(0), ATTACKER)
        .advance(1);
    }
    expect(rig.machine.counters.sentGuesses).toBe(0);
  });
});

describe('an outsider forges the bubbles of two honest clients', () => {
  /** All kinds of bubbles that an outsider can forge: through the servers, and directly with forged sources. */
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

  test('the probes are still sent, with the nonce of A, and the one that hits is accepted', () => {
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

  test('a forged state is checked again while the client sends, and the client still offers to guess', () => {
    const rig = new NatRig('random');
    rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE }).direct(A_MAPPED);
    for (const one of rig.all('solicitation')) rig.serve(one, { ...B_MAPPED, port: 50_000 });
    rig.clear();
    for (let i = 0; i < 60; i++) rig.send(data(rig.address, A)).direct(A_MAPPED).advance(100);
    expect(rig.all('bubble', A_SERVER).some((one) => trailersOf(one).guess !== undefined)).toBe(true);
  });

  test('forged bubbles do not remove the data that A has sent about nonces and its NAT: the offer to guess stays', () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A)).advance(2_000);
    const { token } = trailersOf(rig.indirect).guess!;
    rig.forwarded({ nonce: A_NONCE, guess: guess() });
    rig.forwarded({ guess: guess({ habit: 'stable', token: 0x669 }) }).direct(A_MAPPED);
    rig.forwarded({ nonce: A_NONCE, guess: guess({ echo: token }) }).advance(6_000);
    expect(rig.machine.counters.sentGuesses).toBe(1_700);
  });

  test('the openings continue, and the path that they find is kept', () => {
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

  test('of a removed peer move no peer: neither the next one in its slot, nor the same peer added again', () => {
    const rig = new NatRig('restricted', { limits: { peers: { trusted: 3, unverified: 1 } } });
    rig.send(data(rig.address, A));
    const { nonce } = rig;
    // Each new peer removes an older one; some of them get A's slot in the table, which has four.
    const others = Array.from({ length: 8 }, (_, i) => invented(i, A_SERVER, { ...A_MAPPED, port: 7 + i }));
    for (const peer of [...others, A]) {
      rig.send(data(rig.address, peer));
      rig.direct(ATTACKER, { nonce }, 0, A).direct(ATTACKER, { nonce }, 0, peer);
      expect(rig.trusted).toBe(false);
    }
    expect(toAddress(rig, ATTACKER)).toEqual([]);
    // A's last nonce does.
    expect(rig.direct(at('192.0.2.1:5000'), { nonce: rig.nonce }).whereDataGoes()).toBe('192.0.2.1:5000');
  });

  test('of a peer for which there is no room are not accepted from the next one', () => {
    const rig = new NatRig('restricted', { limits: { peers: { trusted: 1, unverified: 1 } } });
    rig.direct(ATTACKER, {}, 0, teredo(A_SERVER, ATTACKER));
    rig.send(data(rig.address, A));
    const { nonce } = rig;
    rig.direct(at('192.0.2.1:5000'), { nonce }); // proven, but there is no room
    const other = teredo(A_SERVER, at('192.0.2.77:7'));
    rig.receive(B_SERVER, new Uint8Array(0));
    rig.forwarded({ nonce: 5 }, other, at('192.0.2.77:7'));
    rig.clear().direct(ATTACKER, { nonce }, 0, other);
    expect(rig.sent.filter(({ kind, address }) => kind === 'bubble' && address === ATTACKER.address)).toEqual(
      [],
    );
  });

  test('from private, loopback, multicast or broadcast addresses cause no datagrams to there', () => {
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

describe('strangers list the address of a peer as their own, from ten IPv4 addresses', () => {
  /** They do so for a minute; `every` is called each second. */
  function listing(every: (rig: NatRig) => void): void {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 6_000; i++) {
      const mapped = { address: ATTACKER.address + (i % 10), port: 1_024 + i };
      const alternates = [1, 2, 3, 4].map((n) => ({ ...A_MAPPED, port: 10_000 + 4 * i + n }));
      rig.forwarded({ nonce: i + 1, alternates }, invented(i, ATTACKER, mapped), mapped);
      // Because this host answers, contacts with them begin.
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

test.each(['preserving', 'counting', 'random'] as const)(
  'no socket is left for a peer behind our NAT that is %s: each attempt reaches the limit once',
  (nat) => {
    const rig = new NatRig(nat, { limits: { ...CLIENT_LIMITS, randomPorts: 0 } });
    rig.send(data(rig.address, A));
    expect(reached(rig.machine, 'random-ports')).toEqual([1, formatIpv4(A_MAPPED.address)]);
  },
);
