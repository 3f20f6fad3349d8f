/** Symmetric NAT Support: nonces and indirect answers. RFC 6081 section 5.2 */
import { describe, expect, test } from 'vitest';
import { seededEntropy } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  B_MAPPED,
  B_SERVER,
  NatRig,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';
import { at, data } from '../../../../test/support/client-rig.ts';
import { payloadOf } from '../../../../test/support/vectors.ts';
import { mappedPortOf, toHex } from '../../../wire/index.ts';

/** A's mapping towards B, if it differs from the one that its server sees. */
const ELSEWHERE = at('192.0.2.1:5000');

const MEETING = at('192.0.2.200:3545');

/** B has data for A. */
const sought = (nat: ConstructorParameters<typeof NatRig>[0] = 'restricted'): NatRig => {
  const rig = new NatRig(nat);
  return rig.send(data(rig.address, A)) as NatRig;
};

test("E-20: behind a symmetric NAT there is an address, from the primary server's mapping", () => {
  for (const nat of ['preserving', 'counting', 'random'] as const) {
    const { machine, status } = new NatRig(nat);
    expect([status.state, status.nat]).toEqual(['qualified', 'symmetric']);
    expect(mappedPortOf(machine.address!, 0)).toBe(B_MAPPED.port);
  }
});

describe('sent bubbles', () => {
  test('E-21: each indirect bubble has its own nonce', () => {
    const rig = sought().pass(7_000);
    const nonces = rig.all('bubble', at('203.0.113.120:3544')).map((one) => trailersOf(one).nonce!);
    expect(nonces).toHaveLength(4);
    expect(new Set(nonces).size).toBe(4);
    expect(toHex(rig.indirect.bytes.slice(40, 42))).toBe('0104'); // as in EX8
  });

  test("E-22: a direct bubble after the peer's indirect one has its nonce", () => {
    const rig = new NatRig('restricted').vector(payloadOf('EX9'));
    expect(toHex(rig.find('bubble', A_MAPPED).bytes.slice(40))).toBe('0104deadbeef');
    rig.clear().send(data(rig.address, A)).advance(2_000);
    expect(trailersOf(rig.find('bubble', A_MAPPED)).nonce).toBe(A_NONCE);
  });

  test('E-23: a direct bubble before that has 40 octets', () => {
    expect(sought().find('bubble', A_MAPPED).bytes).toHaveLength(40);
  });

  test('E-24: an indirect bubble without a nonce revokes the nonce before', () => {
    const rig = new NatRig('restricted').vector(payloadOf('EX9')).pass(2_000).clear().forwarded();
    expect(rig.find('bubble', A_MAPPED).bytes).toHaveLength(40);
  });

  test('E-25: a bubble that does not come from (server, 3544) is not an indirect bubble', () => {
    for (const from of [{ ...B_SERVER, port: 3545 }, at('198.51.100.119:3544'), at('198.18.0.1:3544')]) {
      const rig = new NatRig('restricted').vector(payloadOf('EX9'), from);
      expect(rig.sent).toEqual([]);
      rig.send(data(rig.address, A));
      expect(trailersOf(rig.find('bubble', A_MAPPED)).nonce).toBeUndefined();
    }
  });

  test('a peer heard before its nonce has come gets a bubble; none from behind a symmetric NAT, where it would look forged', () => {
    expect(new NatRig('restricted').direct(A_MAPPED).bubbles).toEqual(['direct 192.0.2.1:4096']);
    for (const nat of ['preserving', 'counting', 'random'] as const) {
      const rig = new NatRig(nat).direct(A_MAPPED);
      expect(rig.trusted).toBe(true);
      expect(rig.bubbles).toEqual([]);
    }
  });

  test('a peer that comes through the meeting relay (docs/adr/0017) gets a bubble there: that relay needs no nonce', () => {
    const rig = new NatRig('random', { meet: MEETING }).direct(MEETING);
    expect(rig.bubbles).toEqual(['direct 192.0.2.200:3545']);
  });

  test("E-30: an indirect bubble is answered by a direct one, and by an indirect one with the client's nonce", () => {
    const rig = new NatRig('restricted').vector(payloadOf('EX9'));
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
    expect(rig.nonce).not.toBe(A_NONCE);
  });

  test('E-30: within the spacing and the budget of bubbles (CL-93, CL-94)', () => {
    const rig = new NatRig('restricted');
    for (let i = 0; i < 100; i++) rig.forwarded({ nonce: A_NONCE }).pass(500);
    expect(rig.all('bubble', at('203.0.113.120:3544')).map(({ time }) => time - 10_000)).toEqual([
      0, 2_000, 4_000, 6_000,
    ]);
  });

  test('E-31: a round without an answer is repeated after 2 s', () => {
    const rig = sought();
    rig.clear().pass(1_999);
    expect(rig.bubbles).toEqual([]);
    rig.pass(1);
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'indirect']);
  });

  test('E-32, E-33: the nonce is random, but never 0', () => {
    const rig = new NatRig('restricted');
    const real = seededEntropy(7);
    let zeros = 1;
    // Replaces the machine's entropy: its next octets are 0.
    const { entropy } = (rig.machine as unknown as { context: { entropy: { fill(b: Uint8Array): void } } })
      .context;
    entropy.fill = (target) => (zeros-- > 0 ? void target.fill(0) : real.fill(target));
    rig.forwarded();
    expect(rig.nonce).not.toBe(0);
    expect(zeros).toBeLessThan(0);
  });
});

describe('accepted bubbles', () => {
  test('E-26: from the mapped address and port, with any nonce', () => {
    for (const nonce of [undefined, 0x12345678]) {
      const rig = sought().direct(A_MAPPED, nonce === undefined ? {} : { nonce });
      expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
    }
  });

  test("E-27, E-29: from another address or port with the client's nonce: data goes there from now on", () => {
    const rig = sought();
    rig.direct(ELSEWHERE, { nonce: rig.nonce });
    expect(rig.find('data', ELSEWHERE).socket).toBe(0); // the packet that has waited
    expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
    expect([...rig.machine.peers(rig.now)][0]).toMatchObject({ mapped: ELSEWHERE, trusted: true });
  });

  test('E-27: the nonce of the round before is accepted, too: its answer may be under way', () => {
    const rig = sought();
    const [first] = [rig.nonce];
    rig.pass(2_000).direct(ELSEWHERE, { nonce: first });
    expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
  });

  test('E-28: from another address without a valid nonce: no change', () => {
    const rig = sought();
    const old = rig.nonce;
    rig.pass(4_000).clear();
    for (const nonce of [undefined, 0, 0x12345678, old]) {
      rig.direct(ELSEWHERE, nonce === undefined ? {} : { nonce });
    }
    expect(rig.sent).toEqual([]);
    expect(rig.trusted).toBe(false);
    expect(rig.machine.counters.droppedForgedSource).toBe(4);
  });

  test('E-27: the nonce of another peer is refused, and a nonce counts in bubbles only', () => {
    const rig = sought();
    const { nonce } = rig;
    rig.receive(ELSEWHERE, withNonce(data(A, rig.address), nonce));
    expect(rig.trusted).toBe(false);
  });

  test('for a peer reached through the meeting relay (docs/adr/0017) no other path is tried, but it moves to an address from which it shows a nonce', () => {
    const rig = new NatRig('random', { meet: MEETING });
    rig.send(data(rig.address, A)).forwarded({ nonce: A_NONCE });
    rig.pass(4_000).direct(MEETING).clear();
    for (let i = 0; i < 200; i++) rig.send(data(rig.address, A)).dataFrom(MEETING).pass(100);
    expect(rig.all('data', MEETING)).toHaveLength(200);
    expect(rig.bubbles).toEqual([]);
    rig.forwarded({ nonce: A_NONCE }).pass(3_500).direct(ELSEWHERE, { nonce: rig.nonce });
    expect(rig.whereDataGoes()).toBe('192.0.2.1:5000');
  });

  test('E-27, behind a symmetric NAT: A is accepted when the client has a nonce of A, without which A would refuse the client', () => {
    const rig = sought('preserving');
    rig.direct(ELSEWHERE, { nonce: rig.nonce });
    expect(rig.trusted).toBe(false);
    rig.clear().forwarded({ nonce: A_NONCE });
    expect(rig.trusted).toBe(true);
    expect(trailersOf(rig.find('bubble', ELSEWHERE)).nonce).toBe(A_NONCE);
    expect(rig.find('data', ELSEWHERE).time).toBe(rig.now);
  });
});

function withNonce(packet: Uint8Array, nonce: number): Uint8Array {
  const bytes = new Uint8Array([...packet, 1, 4, 0, 0, 0, 0]);
  new DataView(bytes.buffer).setUint32(packet.length + 2, nonce);
  return bytes;
}
