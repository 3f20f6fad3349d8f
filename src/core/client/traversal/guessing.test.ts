/** How two clients guess each other's ports: the offer, the datagrams and their rate, the costs, and the path that is kept. docs/adr/0016 */
import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import { at, data, teredo, v4 } from '../../../../test/support/client-rig.ts';
import type { Sent } from '../../../../test/support/client-rig.ts';
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
  lastGuess,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';
import type { RigNat } from '../../../../test/support/nat-rig.ts';
import type { Endpoint, Ipv6 } from '../../../wire/index.ts';

/** The mapping of A's socket that was hit. */
const HIT = at('192.0.2.1:51234');
const OTHER_MAPPED = at('192.0.2.77:2000');
const OTHER = teredo(A_SERVER, OTHER_MAPPED);
/** The server of a peer with the lower address: the client sends the fan to it. */
const LOW_SERVER = at('9.9.9.9:3544');

/** The i-th client at A's IPv4 address. */
const mappedTo = (i: number): Endpoint => ({ ...A_MAPPED, port: A_MAPPED.port + i });

/** B contacts the peer, and both agree to guess. */
function agreed(rig: NatRig, peer = A, mapped = A_MAPPED, habit: 'random' | 'counting' = 'random'): NatRig {
  return agree(rig.send(data(rig.address, peer)) as NatRig, peer, A_SERVER, mapped, { habit });
}

/** Bubbles to guessed ports of A. */
function guessesOf(rig: NatRig): Sent[] {
  return rig
    .all('bubble')
    .filter(({ address, port }) => address === A_MAPPED.address && port !== A_MAPPED.port);
}

/** The numbers of bubbles sent at each time (ms) after `from`. */
function counted(bubbles: readonly Sent[], from: number): [at: number, count: number][] {
  const counts = new Map<number, number>();
  for (const { time } of bubbles) counts.set(time - from, (counts.get(time - from) ?? 0) + 1);
  return [...counts];
}

/** Answers the last two questions about the NAT's next port; returns the socket that has asked. */
function measure(rig: NatRig, port = 9_000): number {
  const asked = rig.sent.filter(({ kind, socket }) => kind === 'solicitation' && socket !== 0).slice(-2);
  asked.forEach((one, i) => rig.serve(one, { ...B_MAPPED, port: port + i }));
  return asked[0]!.socket;
}

/** Both have measured: the peer's next port is 50,000, with step 1. Returns the socket of the client that has asked. */
function aimed(rig: NatRig, peer: Ipv6, server: Endpoint): number {
  rig.send(data(rig.address, peer)).advance(4_500);
  agree(rig, peer, server, A_MAPPED, { habit: 'counting' });
  const socket = measure(rig);
  const echo = trailersOf(lastGuess(rig, server)!).guess!.token;
  rig.clear();
  rig.forwarded(
    { nonce: A_NONCE, guess: guess({ habit: 'counting', echo, port: 50_000, step: 1 }) },
    peer,
    A_MAPPED,
  );
  return socket;
}

describe('datagrams of a guess', () => {
  test('sixteen probes each 20 ms, from 0.4 s on, until there are 1,700', () => {
    const rig = agreed(new NatRig('restricted'));
    const from = rig.clear().now;
    const times = counted(guessesOf(rig.advance(7_000)), from);
    // A's own port is one of the 64,512, and is not counted here.
    expect(times.map(([after]) => after)).toEqual(Array.from({ length: 107 }, (_, i) => 400 + 20 * i));
    expect(times.every(([, count]) => count <= 16)).toBe(true);
    expect(rig.machine.counters.sentGuesses).toBe(1_700);
  });

  test('a volley of 32 bubbles at once, three times 0.3 s apart', () => {
    const rig = new NatRig('counting');
    const socket = aimed(rig, A, A_SERVER);
    const from = rig.now;
    const sent = guessesOf(rig.advance(2_000)).filter((one) => one.socket === socket);
    expect(counted(sent, from)).toEqual([
      [0, 32],
      [300, 32],
      [600, 32],
    ]);
    expect(new Set(sent.map(({ port }) => port))).toEqual(
      new Set(Array.from({ length: 32 }, (_, i) => 50_000 + i)),
    );
  });

  test('a fan of 16 sockets, each to the eighth port and to the first, three times 0.3 s apart', () => {
    const rig = new NatRig('counting');
    aimed(rig, teredo(LOW_SERVER, A_MAPPED), LOW_SERVER);
    const from = rig.now;
    const sent = guessesOf(rig.advance(2_000)).filter(({ port }) => port >= 50_000);
    expect(counted(sent, from)).toEqual([
      [0, 32],
      [300, 32],
      [600, 32],
    ]);
    expect(new Set(sent.map(({ port }) => port))).toEqual(new Set([50_008, 50_000]));
    expect(new Set(sent.map(({ socket }) => socket)).size).toBe(16);
  });
});

describe('answers', () => {
  test("the volley's socket answers the fan, at most 32 times in a guess", () => {
    const rig = new NatRig('counting');
    const socket = aimed(rig, A, A_SERVER);
    const { nonce } = rig.advance(1_500); // the volley is over
    rig.clear();
    const heardFrom = Array.from({ length: 40 }, (_, i) => ({ ...A_MAPPED, port: 40_000 + i }));
    for (const from of heardFrom) rig.direct(from, { nonce }, socket);
    expect(rig.bubbles).toEqual(
      heardFrom.slice(0, 32).map(({ port }) => `direct 192.0.2.1:${port} from ${socket}`),
    );
    expect(rig.trusted).toBe(false);
  });

  test("64 guess trailers of a peer without the client's token are answered in a guess", () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A)).clear();
    for (let i = 1; i <= 100; i++) rig.forwarded({ nonce: i, guess: guess({ token: i }) });
    expect(rig.all('bubble', A_SERVER)).toHaveLength(64);
  });

  test("if guessing is impossible the peer gets one answer with the habit of the client's NAT", () => {
    const rig = new NatRig('random');
    for (let i = 0; i < 3; i++) rig.forwarded({ nonce: A_NONCE, guess: guess({ token: i + 1 }) });
    expect(rig.all('bubble', A_SERVER).map((one) => trailersOf(one).guess)).toEqual([
      { habit: 'random', port: 0, step: 0, token: 0, echo: 0 },
    ]);
  });

  test('a new token of the peer restarts the guess, with a new token of the client', () => {
    const rig = agreed(new NatRig('restricted')).advance(1_000) as NatRig;
    const { token } = trailersOf(lastGuess(rig, A_SERVER)!).guess!;
    rig.clear().forwarded({ nonce: A_NONCE, guess: guess({ token: 0x9999, echo: token }) });
    const [answer, ...more] = rig.all('bubble', A_SERVER).map((one) => trailersOf(one).guess!);
    expect(more).toEqual([]);
    expect(answer).toMatchObject({ habit: 'stable', echo: 0x9999 });
    expect(answer!.token).not.toBe(token);
    rig.clear().advance(1_000);
    expect(guessesOf(rig)).toEqual([]); // A has other ports by now
    rig.forwarded({ nonce: A_NONCE, guess: guess({ token: 0x9999, echo: answer!.token }) }).advance(6_000);
    expect(rig.machine.progress(A, rig.now)!.guessesSent).toBe(1_700);
  });
});

describe('costs', () => {
  /** Tries `count` clients at A's IPv4 address, one after the other; returns the number of guesses. */
  function begun(nat: RigNat, count: number, isAnswered: boolean): number {
    const habit = nat === 'counting' ? 'counting' : 'random';
    const rig = new NatRig(nat);
    let begun = 0;
    for (let i = 0; i < count; i++) {
      const peer = teredo(A_SERVER, mappedTo(i));
      agreed(rig, peer, mappedTo(i), habit);
      if (rig.machine.progress(peer, rig.now)!.guess === 'agreed') begun++;
      if (!isAnswered) continue;
      rig.advance(1_000).direct({ ...HIT, port: HIT.port + i }, { nonce: rig.nonce }, 0, peer);
    }
    expect(rig.machine.counters.suppressedGuesses).toBe(count - begun);
    const [all] = reached(rig.machine, 'guesses');
    expect(all + reached(rig.machine, 'guesses-by-address')[0]).toBe(count - begun);
    return begun;
  }

  test('two guesses to one IPv4 address', () => {
    expect(begun('restricted', 4, false)).toBe(2);
  });

  test('an answered guess is given back to its address: only the limit of all guesses remains', () => {
    expect(begun('restricted', 4, true)).toBe(4);
  });

  test('a guess that was answered by two sockets is given back once', () => {
    const rig = new NatRig('random', { limits: { guessesByAddress: { perSecond: 0, burst: 2 } } });
    const stages: (string | undefined)[] = [];
    for (let i = 0; i < 4; i++) {
      const [peer, mapped] = [teredo(A_SERVER, mappedTo(i)), mappedTo(i)];
      rig.send(data(rig.address, peer)).advance(3_000); // the Echo Test fails
      agree(rig, peer, A_SERVER, mapped, { habit: 'stable' }).advance(200);
      stages.push(rig.machine.progress(peer, rig.now)!.guess);
      if (i === 1) {
        const [second, first] = [...rig.sockets].slice(-2) as [number, number];
        const { nonce } = rig;
        rig.direct(mapped, { nonce }, first, peer).direct(mapped, { nonce }, second, peer);
        rig.receive(mapped, data(peer, rig.address), second);
      }
      rig.pass(20_000); // by now the limit of all allows two more
    }
    expect(stages).toEqual(['agreed', 'agreed', 'agreed', 'offered']);
  });

  test('a guess between counting NATs costs a quarter: eight to one IPv4 address', () => {
    expect(begun('counting', 10, false)).toBe(8);
  });
});

describe('after a successful guess', () => {
  /** B reaches A by a guess. */
  function guessed(nat: 'restricted' | 'counting'): NatRig {
    const rig = new NatRig(nat);
    if (nat === 'restricted') agreed(rig).advance(1_000).direct(HIT, { nonce: rig.nonce });
    else {
      const socket = aimed(rig, A, A_SERVER);
      const { token: echo } = trailersOf(lastGuess(rig.advance(1_500) as NatRig, A_SERVER)!).guess!;
      rig.direct(HIT, { nonce: rig.nonce, guess: guess({ habit: 'counting', echo }) }, socket);
    }
    expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ trusted: true, means: 'guess' });
    return rig.clear();
  }

  /** Whether the first indirect bubble to the peer leaves at once and offers to guess. */
  function isOfferedAtOnce(rig: NatRig, peer: Ipv6): boolean {
    rig.clear().send(data(rig.address, peer));
    return lastGuess(rig, A_SERVER) !== undefined;
  }

  test('it is offered to all peers with the first attempt; before that with the second', () => {
    expect(isOfferedAtOnce(guessed('restricted'), OTHER)).toBe(true);
    const rig = new NatRig('restricted');
    expect(isOfferedAtOnce(rig, OTHER)).toBe(false);
    expect(lastGuess(rig.advance(2_000) as NatRig, A_SERVER)).toBeDefined();
  });

  test('behind a counting NAT, only to peers at that IPv4 address', () => {
    expect(isOfferedAtOnce(guessed('counting'), teredo(A_SERVER, mappedTo(1)))).toBe(true);
    expect(isOfferedAtOnce(guessed('counting'), OTHER)).toBe(false);
  });

  test('not in another network, whose NAT may be a different one', () => {
    const rig = guessed('restricted');
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: v4('172.16.7.2') });
    rig.drain();
    for (const server of [B_SERVER, B_SECONDARY]) rig.serve(rig.find('solicitation', server), B_MAPPED);
    expect(rig.machine.state).toBe('qualified');
    expect(isOfferedAtOnce(rig, OTHER)).toBe(false);
  });

  test("not if the client's NAT admits all senders", () => {
    const rig = guessed('counting');
    rig.send(data(rig.address, OTHER)).pass(3_000); // its Echo Test fails
    rig.forwarded({ nonce: 5 }, OTHER, OTHER_MAPPED).direct(OTHER_MAPPED, { nonce: rig.nonce }, 0, OTHER);
    rig.pass(1_000); // it is heard on the service port, and does not confirm that it hears the client
    expect(isOfferedAtOnce(rig, teredo(A_SERVER, mappedTo(1)))).toBe(false);
  });
});

describe('two guesses hit at once, and the peer sends from its mapped address and port', () => {
  /** Both openings were hit; B sends from the first socket. */
  function hitTwice(): { rig: NatRig; first: number; second: number } {
    const rig = new NatRig('random');
    rig.send(data(rig.address, A)).advance(3_000); // the Echo Test fails
    agree(rig, A, A_SERVER, A_MAPPED, { habit: 'stable' }).advance(1_000);
    const [second, first] = [...rig.sockets].slice(-2) as [number, number];
    const { nonce } = rig;
    rig.direct(A_MAPPED, { nonce }, first).direct(A_MAPPED, { nonce }, second);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${first}`);
    return { rig: rig.clear(), first, second };
  }

  test('data on the second socket shows that the peer has chosen that one', () => {
    const { rig, second } = hitTwice();
    rig.dataFrom(A_MAPPED, second);
    expect(rig.delivered).toHaveLength(1);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${second}`);
    rig.advance(2_000);
    expect([...rig.sockets]).toEqual([second]);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${second}`);
  });

  test('data on a socket on which the peer has not shown the nonce does not move it', () => {
    const { rig, first, second } = hitTwice();
    const third = [...rig.sockets].find((socket) => socket !== first && socket !== second)!;
    rig.dataFrom(A_MAPPED, third);
    expect(rig.whereDataGoes()).toBe(`192.0.2.1:4096 from ${first}`);
  });
});
