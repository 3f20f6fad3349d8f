/** Sequential Port-Symmetric NAT Support: Echo Tests. RFC 6081 section 5.5 */
import { describe, expect, test } from 'vitest';
import { at, data } from '../../../../test/support/client-rig.ts';
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
import { toHex } from '../../../wire/index.ts';

/** The socket for A only. */
const RANDOM = 16;

/** B, behind a counting NAT, has data for A. */
function sought(): NatRig {
  const rig = new NatRig('counting');
  return rig.send(data(rig.address, A)) as NatRig;
}

/** Datagrams sent from that socket. */
const sentFromIt = (rig: NatRig) => rig.sent.filter(({ socket }) => socket === RANDOM);
const lower = (rig: NatRig) => sentFromIt(rig).findLast((one) => one.to(B_SERVER))!;
const upper = (rig: NatRig) => sentFromIt(rig).findLast((one) => one.to(B_SECONDARY))!;
const seen = (port: number) => ({ ...B_MAPPED, port });

describe('the test', () => {
  test('E-80: there is no indirect bubble yet, but a new socket, on any port', () => {
    const rig = sought();
    expect(rig.all('bubble', A_SERVER)).toEqual([]);
    expect([...rig.sockets]).toEqual([RANDOM]);
    expect(rig.wantedPorts).toEqual([undefined]);
  });

  test("E-81: from there a solicitation to the server's first address, a bubble to A, a solicitation to its second one", () => {
    const rig = sought();
    expect(sentFromIt(rig).map(({ summary }) => summary)).toEqual([
      'solicitation 198.51.100.118:3544',
      'bubble 192.0.2.1:4096',
      'solicitation 198.51.100.119:3544',
    ]);
    expect(lower(rig).nonce).toHaveLength(8);
    expect(toHex(lower(rig).nonce)).not.toBe(toHex(upper(rig).nonce));
  });

  test('E-82, E-83: another test after 1 s; 2 s later an indirect bubble without a port', () => {
    const rig = sought();
    rig.clear().advance(999);
    expect(sentFromIt(rig)).toEqual([]);
    rig.advance(1);
    expect(sentFromIt(rig)).toHaveLength(3);
    rig.clear().advance(1_999);
    expect(rig.all('bubble', A_SERVER)).toEqual([]);
    rig.advance(1);
    expect(rig.all('bubble', A_SERVER)).toHaveLength(1);
    expect(trailersOf(rig.indirect).randomPort).toBeUndefined();
    expect(trailersOf(rig.indirect).nonce).toBeDefined();
  });

  test('E-84: one answer is not enough', () => {
    for (const which of [lower, upper]) {
      const rig = sought();
      rig.serve(which(rig), seen(1200)).serve(which(rig), seen(1202)).advance(900);
      expect(rig.all('bubble', A_SERVER)).toEqual([]);
    }
  });

  test('E-84: an answer with another nonce does not count', () => {
    const rig = sought();
    const forged = { origin: seen(9), prefixServer: B_SERVER.address, nonce: new Uint8Array(8).fill(7) };
    rig
      .answer(lower(rig), { ...forged, from: B_SERVER })
      .answer(upper(rig), { ...forged, from: B_SECONDARY });
    expect(rig.all('bubble', A_SERVER)).toEqual([]);
    expect(rig.machine.counters.droppedInvalidAdvertisement).toBe(2);
  });

  test('E-85, E-86: 1200 and 1202 predict 1201: the indirect bubble is sent at once and names this port', () => {
    const rig = sought();
    rig.serve(upper(rig), seen(1202)).serve(lower(rig), seen(1200));
    expect(toHex(rig.indirect.bytes.slice(-4))).toBe('050204b1');
    rig.clear().pass(2_000);
    expect(trailersOf(rig.indirect).randomPort).toBe(1201); // the next attempt: no test, the same port
    expect(sentFromIt(rig)).toEqual([]);
  });

  test("E-65, E-86: A's random port is tried from the socket for A", () => {
    const rig = sought();
    rig.serve(lower(rig), seen(1200)).serve(upper(rig), seen(1203)).clear();
    rig.forwarded({ nonce: A_NONCE, randomPort: 51_000 });
    const own = rig.find('bubble', at('192.0.2.1:51000'));
    expect(own.socket).toBe(RANDOM);
    expect(trailersOf(own)).toMatchObject({ nonce: A_NONCE, randomPort: 1201 });
  });

  test('A has to open its NAT first, so another bubble is sent from the predicted port 0.4 s later', () => {
    const rig = sought().forwarded({ nonce: A_NONCE, randomPort: 51_000 });
    const again = 'direct 192.0.2.1:51000 from 16';
    rig.advance(900).serve(lower(rig), seen(1200)).serve(upper(rig), seen(1202)); // before the next round by 1.1 s
    expect(rig.bubbles.at(-1)).toBe(again);
    rig.clear().advance(399);
    expect(rig.bubbles).toEqual([]);
    rig.advance(1);
    expect(rig.bubbles).toEqual([again]);
    expect(trailersOf(rig.find('bubble', at('192.0.2.1:51000'))).randomPort).toBe(1201);
  });
});

describe('end of the test', () => {
  test('E-80: a test that has failed is repeated with the next round, from a new socket', () => {
    const rig = sought().pass(3_500);
    expect(rig.all('bubble', A_SERVER)).toHaveLength(1);
    expect([...rig.sockets]).toEqual([]);
    rig.clear().advance(500);
    expect([...rig.sockets]).toEqual([RANDOM]);
    expect(sentFromIt(rig)).toHaveLength(3);
    rig.serve(lower(rig), seen(1200)).serve(upper(rig), seen(1202));
    expect(trailersOf(rig.indirect).randomPort).toBe(1201);
  });

  test('E-87: if A is heard on the service port meanwhile there is no second test, and the socket is closed', () => {
    const rig = sought().direct(A_MAPPED);
    expect([...rig.sockets]).toEqual([]);
    rig.clear().pass(2_500);
    expect(rig.sent).toEqual([]);
  });

  test('E-88: a later contact begins with the first test again', () => {
    const rig = new NatRig('counting').forwarded().pass(31_000);
    expect(rig.all('bubble', A_SERVER)).toHaveLength(1);
    expect([...rig.sockets]).toEqual([]);
    rig.clear().send(data(rig.address, A));
    expect(sentFromIt(rig)).toHaveLength(3);
    rig.clear().advance(1_000);
    expect(sentFromIt(rig)).toHaveLength(3); // 1 s, not 2
  });

  test("E-89: its answers do not count as a change of the client's mapping", () => {
    const rig = sought();
    const { address, mapped, lastServerContact } = rig.status;
    rig.advance(100).serve(lower(rig), seen(1200)).serve(upper(rig), seen(1202));
    expect([rig.machine.address, rig.status.mapped]).toEqual([address, mapped]);
    expect(rig.status.lastServerContact).toBe(lastServerContact);
    expect(rig.machine.counters.mappingChanges).toBe(0);
    // They do not count on the service port either.
    rig.pass(2_000);
    expect(rig.machine.state).toBe('qualified');
  });
});

test('E-85: the port counter of the NAT wraps between the two questions of an Echo Test', () => {
  const rig = new NatRig('counting');
  rig.send(data(rig.address, A));
  const asked = rig.sent.filter(({ kind, socket }) => kind === 'solicitation' && socket !== 0);
  rig.serve(asked[0]!, { ...B_MAPPED, port: 65_535 }).serve(asked[1]!, { ...B_MAPPED, port: 1_025 });
  const { randomPort } = trailersOf(rig.indirect);
  expect(randomPort === 1_024 || randomPort === 0 || randomPort === undefined).toBe(true);
});
