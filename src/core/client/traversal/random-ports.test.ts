/** Port-Preserving Symmetric NAT Support: a separate port for each peer. RFC 6081 section 5.4 */
import { describe, expect, test } from 'vitest';
import { at, data, seededEntropy, teredo } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_MAPPED,
  NatRig,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';
import type { RigNat } from '../../../../test/support/nat-rig.ts';
import { payloadOf } from '../../../../test/support/vectors.ts';
import { toHex } from '../../../wire/index.ts';

/** The first socket for a single peer. */
const RANDOM = 16;
/** The mapping of A's random port, and another mapping of A. */
const A_RANDOM = at('192.0.2.1:51000');
const ELSEWHERE = at('192.0.2.1:5000');

/** B has data for A. */
function sought(nat: RigNat = 'preserving'): NatRig {
  const rig = new NatRig(nat);
  return rig.send(data(rig.address, A)) as NatRig;
}

/** A and B have each other's nonce; A has a random port. */
function introduced(nat: RigNat = 'preserving'): NatRig {
  return sought(nat).forwarded({ nonce: A_NONCE, randomPort: A_RANDOM.port });
}

/** B reaches A through the random port. */
function reachedByRandom(): NatRig {
  const rig = introduced();
  return rig.direct(A_RANDOM, { nonce: rig.nonce }, RANDOM);
}

describe('which peers get a port', () => {
  test('E-60: behind a cone NAT none: no Random Port trailer, no socket, no unsolicited bubbles', () => {
    const rig = sought('restricted').direct(A_MAPPED);
    expect(trailersOf(rig.indirect).randomPort).toBeUndefined();
    expect(rig.wantedPorts).toEqual([]);
    rig.clear().pass(29_000);
    expect(rig.bubbles).toEqual([]);
  });

  test('E-61, E-63, E-64: behind a port-preserving symmetric NAT: a new socket on a local port, which the indirect bubble names', () => {
    const rig = sought();
    const [port] = rig.wantedPorts;
    expect([...rig.sockets]).toEqual([RANDOM]);
    expect(port).toBeGreaterThanOrEqual(49_152);
    expect(trailersOf(rig.indirect).randomPort).toBe(port);
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
    // EX13: nonce, then (E-91) the client's own address and port, then the random port
    const { bytes } = rig.indirect;
    expect(toHex(bytes.slice(-4))).toBe(`0502${port!.toString(16)}`);
  });

  test('E-63: the same port for all attempts with a peer, another for another peer', () => {
    const rig = sought().pass(6_000);
    expect([...rig.sockets]).toEqual([RANDOM]);
    const ports = rig.all('bubble', A_SERVER).map((one) => trailersOf(one).randomPort);
    expect(new Set(ports).size).toBe(1);
    rig.forwarded({ nonce: 1 }, at6('192.0.2.7:1000'), at('192.0.2.7:1000'));
    expect([...rig.sockets]).toEqual([RANDOM, RANDOM + 1]);
  });

  test('E-63: none for a peer that is reached', () => {
    const rig = new NatRig('preserving').direct(A_MAPPED).forwarded({ nonce: A_NONCE });
    rig.direct(A_MAPPED, { nonce: rig.nonce }).dataFrom(A_MAPPED).pass(3_000).clear();
    const before = rig.wantedPorts.length;
    rig.forwarded({ nonce: A_NONCE });
    expect(rig.wantedPorts).toHaveLength(before);
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096']);
  });

  test('an unsuccessful socket is closed at the end of the attempt', () => {
    const rig = sought().pass(15_900);
    expect([...rig.sockets]).toEqual([RANDOM]);
    rig.pass(200);
    expect([...rig.sockets]).toEqual([]);
  });
});

describe('destinations of direct bubbles', () => {
  test("E-65: one from the service port to the mapped address and port, one from the random port to A's, with the client's random port in it", () => {
    const rig = introduced();
    const port = rig.wantedPorts[0]!;
    rig.clear().pass(2_000);
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'direct 192.0.2.1:51000 from 16', 'indirect']);
    expect(trailersOf(rig.find('bubble', A_RANDOM))).toMatchObject({ randomPort: port, nonce: A_NONCE });
  });

  test('E-66, E-67: behind a NAT that is not symmetric the second is sent from the service port: EX13', () => {
    const rig = new NatRig('restricted');
    rig.vector(Uint8Array.from([...payloadOf('EX9').slice(0, 8), ...payloadOf('EX13')]));
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'direct 192.0.2.1:51000', 'indirect']);
    for (const one of rig.sent.slice(0, 2)) expect(toHex(one.bytes.slice(40))).toBe('0104deadbeef');
  });

  test('E-68: another port while A is reached changes nothing', () => {
    const rig = reachedByRandom().dataFrom(A_RANDOM, RANDOM).pass(3_000).clear();
    rig.forwarded({ nonce: A_NONCE, randomPort: 51_001 });
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:51000 from 16']);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    expect([...rig.sockets]).toEqual([RANDOM]);
  });

  test("E-69: after 31 s of silence another port is accepted, and the client's socket is replaced by a new one", () => {
    const rig = reachedByRandom();
    rig.pass(33_000).clear();
    const [before] = rig.wantedPorts;
    rig.forwarded({ nonce: A_NONCE, randomPort: 51_001 });
    expect(rig.events.map(({ type }) => type)).toEqual(['socket-unwanted', 'socket-wanted']);
    expect(trailersOf(rig.indirect).randomPort).toBe(rig.wantedPorts[1]);
    expect(rig.wantedPorts[1]).not.toBe(before);
    rig.clear().pass(2_000).forwarded({ nonce: A_NONCE, randomPort: 51_001 });
    expect(rig.bubbles).toContain('direct 192.0.2.1:51001 from 16');
    rig.pass(10_000);
    expect([...rig.sockets]).toEqual([]); // the attempt failed
  });
});

describe('the path to A', () => {
  test('E-70: on the service port: data goes from there, and A is asked whether it hears the client; if it does the socket is closed', () => {
    for (const answer of ['packet', 'advertisement'] as const) {
      const rig = introduced();
      const { nonce } = rig;
      rig.clear().direct(A_MAPPED, { nonce });
      expect(rig.trusted).toBe(true);
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
      const asked = rig.all('bubble', A_MAPPED).map((one) => trailersOf(one).neighborDiscovery);
      expect(asked.filter((one) => one === 'solicitation')).toHaveLength(1);
      expect([...rig.sockets]).toEqual([RANDOM]);
      if (answer === 'packet') rig.dataFrom(A_MAPPED);
      else rig.direct(A_MAPPED, { neighborDiscovery: 'advertisement' });
      expect([...rig.sockets]).toEqual([]);
      expect(rig.clear().pass(1_000).bubbles).toEqual([]);
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
    }
  });

  test('E-70: while A has not confirmed that it hears the client on the service port, a socket to which it answers is preferred (D-18)', () => {
    const rig = introduced();
    rig.direct(A_MAPPED, { nonce: rig.nonce }).direct(A_RANDOM, { nonce: rig.nonce }, RANDOM);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
  });

  test('E-70: A does not confirm that it hears the client: other paths are tried after 0.5 s (D-18)', () => {
    const rig = introduced();
    rig.direct(A_MAPPED, { nonce: rig.nonce }).clear().advance(499);
    expect(rig.bubbles).toEqual([]);
    rig.advance(1);
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'direct 192.0.2.1:51000 from 16', 'indirect']);
  });

  test('E-71: on the service port, and valid: a bubble from another address does not move it', () => {
    const rig = introduced('restricted');
    const { nonce } = rig;
    rig.direct(ELSEWHERE, { nonce }).dataFrom(ELSEWHERE).pass(1_000).direct(A_RANDOM, { nonce });
    expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
    expect(rig.direct(ELSEWHERE, { nonce }).whereDataGoes()).toBe('192.0.2.1:5000');
  });

  test('E-71: after 30 s of silence it moves at once to the address from which it shows the nonce', () => {
    const rig = introduced('restricted');
    const { nonce } = rig;
    rig.direct(ELSEWHERE, { nonce }).pass(31_000).direct(A_RANDOM, { nonce });
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000');
  });

  test('E-73, E-76: on the random port: waiting and later packets are sent from there', () => {
    const rig = introduced().clear();
    rig.direct(A_RANDOM, { nonce: nonceOf(rig) }, RANDOM);
    expect(rig.all('data').map(({ socket, port }) => [socket, port])).toEqual([[RANDOM, 51_000]]);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    expect([...rig.sockets]).toEqual([RANDOM]);
  });

  test('E-72: from the random port to the service port, when A shows the nonce there', () => {
    const rig = reachedByRandom().direct(A_MAPPED);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    rig.direct(A_MAPPED, { nonce: rig.nonce });
    expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
    rig.dataFrom(A_MAPPED);
    expect([...rig.sockets]).toEqual([]);
  });

  test('E-72: a peer that shows the nonce on both sockets in turn gets a reply at once four times in 2 s, then at the spacing of replies', () => {
    const rig = introduced();
    const { nonce } = rig;
    /** The number of bubbles for this many turns. */
    const replies = (times: number): number => {
      rig.clear();
      for (let i = 0; i < times; i++) rig.direct(A_MAPPED, { nonce }).direct(A_RANDOM, { nonce }, RANDOM);
      return rig.all('bubble').filter((one) => trailersOf(one).neighborDiscovery === undefined).length;
    };
    expect(replies(2)).toBe(4);
    expect(replies(10)).toBe(1); // a reply to A's random port: the other address has had one, to A's indirect bubble
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    rig.advance(2_000);
    expect(replies(2)).toBe(4);
  });

  test('E-74: on the random port, and valid: accepted from its address and port, no change from another one; after 30 s it moves', () => {
    const rig = reachedByRandom();
    const { nonce } = rig;
    rig.direct(A_RANDOM, { nonce }, RANDOM).direct(ELSEWHERE, { nonce }, RANDOM);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    rig.pass(31_000).direct(ELSEWHERE, { nonce }, RANDOM);
    expect(rig.whereDataGoes()).toBe('192.0.2.1:5000 from 16');
  });

  test('E-77: on the random port only A is accepted, and only from its mapped address and port or with the nonce', () => {
    const rig = introduced();
    const { nonce } = rig;
    rig.direct(ELSEWHERE, {}, RANDOM).direct(ELSEWHERE, { nonce: nonce ^ 1 }, RANDOM);
    rig.direct(at('192.0.2.7:1000'), { nonce }, RANDOM, at6('192.0.2.7:1000'));
    expect(rig.trusted).toBe(false);
    expect(rig.machine.counters.droppedForgedSource).toBe(3);
    expect(rig.direct(ELSEWHERE, { nonce }, RANDOM).trusted).toBe(true);
  });
});

describe('the path to an idle peer', () => {
  test('E-75: is kept open by 20 bubbles, 30 s apart; then the socket is closed', () => {
    const rig = reachedByRandom().clear();
    const from = rig.now;
    rig.pass(700_000);
    const refreshes = rig.all('bubble', A_RANDOM);
    expect(refreshes.map(({ time }) => (time - from) / 30_000)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    expect(refreshes.every(({ socket }) => socket === RANDOM)).toBe(true);
    expect([...rig.sockets]).toEqual([]);
  });

  test('E-62, E-75: data that is sent restarts the count, bubbles do not', () => {
    const rig = reachedByRandom().clear().pass(300_000);
    rig.direct(A_RANDOM, { nonce: 1 }, RANDOM); // A answers: the peer is valid again
    expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
    rig.clear().pass(330_000);
    expect(
      rig.all('bubble', A_RANDOM).filter(({ socket }) => socket === RANDOM).length,
    ).toBeGreaterThanOrEqual(10);
    expect([...rig.sockets]).toEqual([RANDOM]);
  });
});

function at6(pair: string) {
  return teredo(A_SERVER, at(pair));
}

/** The nonce of the last indirect bubble, also after `clear`. */
function nonceOf(rig: NatRig): number {
  rig.pass(2_000);
  return rig.nonce;
}

test('an address that a peer has shown long ago, on a socket since closed, is not used', () => {
  const rig = new NatRig('preserving');
  rig.send(data(rig.address, A));
  const socket = Math.max(...rig.sockets);
  rig.direct(ELSEWHERE, { nonce: rig.nonce }, socket); // A's indirect bubble is lost
  rig.pass(20_000);
  expect(rig.sockets.has(socket)).toBe(false);
  rig.clear().forwarded({ nonce: A_NONCE });
  const state = [...rig.machine.peers(rig.now)].map((one) => one.state);
  const sent = rig.send(data(rig.address, A)).all('data');
  expect({ state, fromClosed: sent.some((one) => one.socket !== 0 && !rig.sockets.has(one.socket)) }).toEqual(
    {
      state: ['unverified'],
      fromClosed: false,
    },
  );
});

test('an address that a peer has shown is used with its next indirect bubble, not with a later one', () => {
  const rig = introduced();
  rig.direct(A_MAPPED, { nonce: rig.nonce });
  rig.forwarded({}); // it seems to use no nonce any more
  rig.direct(ELSEWHERE, { nonce: rig.nonce }, RANDOM);
  rig.forwarded({ nonce: A_NONCE }); // A is reached, and its address stays the same
  expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
  rig.pass(600); // by now it does not seem to hear the client there
  rig.forwarded({ nonce: A_NONCE });
  expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
});

test('E-63: the port of a socket differs from the service port', () => {
  const first = 49_152;
  const rig = new NatRig('preserving', { servicePort: first });
  rig.advance(30_000); // the next answer of the server shows that the NAT preserves this port
  rig.serve(rig.find('solicitation', at('198.51.100.118:3544')), { ...B_MAPPED, port: first });
  // Replaces the machine's entropy: its next octets are 0, which select the first port.
  const { entropy } = (rig.machine as unknown as { context: { entropy: { fill(b: Uint8Array): void } } })
    .context;
  const real = seededEntropy(7);
  let zeros = 1;
  entropy.fill = (target) => (zeros-- > 0 ? void target.fill(0) : real.fill(target));
  rig.send(data(rig.address, A));
  expect(rig.wantedPorts).toHaveLength(1);
  expect(rig.wantedPorts[0]).toBeGreaterThan(first);
});
