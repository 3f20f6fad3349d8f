/** Hairpinning Support: alternate addresses. RFC 6081 section 5.6 */
import { describe, expect, test } from 'vitest';
import { at, data, teredo } from '../../../../test/support/client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_MAPPED,
  NatRig,
  trailersOf,
} from '../../../../test/support/nat-rig.ts';
import { payloadOf } from '../../../../test/support/vectors.ts';
import { toHex } from '../../../wire/index.ts';

const PLACES = [at('192.168.1.2:40000'), at('10.0.0.2:40000')];
/** A client behind the same NAT as B. */
const NEIGHBOUR_MAPPED = { ...B_MAPPED, port: 8_300 };
const NEIGHBOUR = teredo(A_SERVER, NEIGHBOUR_MAPPED);

/** EX10 as B gets it through A's server and its own. */
function ex10(change: (bytes: Uint8Array) => void = () => undefined): Uint8Array {
  const bytes = Uint8Array.from([...payloadOf('EX9').slice(0, 8), ...payloadOf('EX10')]);
  change(bytes);
  return bytes;
}
/** Offset of its Alternate Address trailer. */
const TRAILER = 8 + 40 + 6;

describe('sent bubbles', () => {
  test("E-91: an indirect bubble has, after its nonce, the client's address and port on its own link", () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A));
    expect(toHex(rig.indirect.bytes.slice(46))).toBe('03080000ac1007029c41');
    expect(trailersOf(rig.indirect).alternates).toEqual([at('172.16.7.2:40001')]);
    // E-9
    expect(trailersOf(rig.find('bubble', A_MAPPED)).alternates).toBeUndefined();
  });

  test('E-91: not without a NAT', () => {
    const rig = new NatRig('restricted', {
      servicePort: B_MAPPED.port,
      network: { subnets: [], localAddress: B_MAPPED.address },
    });
    rig.send(data(rig.address, A));
    expect(trailersOf(rig.indirect).alternates).toBeUndefined();
  });

  test('E-93: direct bubbles to the mapped address and port and to each alternate address, all with the nonce', () => {
    const rig = new NatRig('restricted').vector(ex10());
    expect(rig.bubbles).toEqual([
      'direct 192.0.2.1:4096',
      'direct 192.168.1.2:40000',
      'direct 10.0.0.2:40000',
      'indirect',
    ]);
    for (const one of rig.sent.slice(0, 3)) expect(toHex(one.bytes.slice(40))).toBe('0104deadbeef');
  });

  test("E-93: the list is kept for the client's own attempts", () => {
    const rig = new NatRig('restricted').vector(ex10());
    rig.pass(2_000).clear().send(data(rig.address, A));
    expect(rig.bubbles.toSorted()).toEqual(
      ['direct 10.0.0.2:40000', 'direct 192.0.2.1:4096', 'direct 192.168.1.2:40000', 'indirect'].toSorted(),
    );
  });

  test('E-94: for a valid peer: one direct bubble, to its current address and port', () => {
    const rig = new NatRig('restricted').direct().pass(2_000).clear().vector(ex10());
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096']);
  });

  test('E-96: at most four, and never to broadcast addresses or to the client itself', () => {
    const rig = new NatRig('restricted');
    const alternates = [
      at('172.16.7.255:9'),
      at('172.16.7.2:40001'),
      at('169.254.1.1:9'),
      at('172.16.7.9:9'),
    ];
    rig.forwarded({ nonce: A_NONCE, alternates });
    expect(rig.bubbles).toEqual(['direct 192.0.2.1:4096', 'direct 172.16.7.9:9', 'indirect']);
  });
});

test.each<[string, (bytes: Uint8Array) => void]>([
  ['length 9', (b) => void (b[TRAILER + 1] = 9)],
  ['length 2', (b) => void (b[TRAILER + 1] = 2)],
  ['port 0', (b) => void b.fill(0, TRAILER + 8, TRAILER + 10)],
  ['a group', (b) => void (b[TRAILER + 4] = 224)],
  ['loopback (E-96)', (b) => void (b[TRAILER + 4] = 127)],
])('E-92: a list with %s: the bubble is dropped, and no datagram is sent', (_, change) => {
  const rig = new NatRig('restricted').vector(ex10(change));
  expect(rig.sent).toEqual([]);
  expect(rig.machine.counters.droppedTrailer).toBe(1);
});

describe('accepted bubbles', () => {
  test("E-95: from a private address with the client's nonce, if the peer is behind the same NAT", () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, NEIGHBOUR));
    rig.forwarded({ nonce: A_NONCE, alternates: PLACES }, NEIGHBOUR, NEIGHBOUR_MAPPED);
    const { nonce } = rig;
    rig.direct(PLACES[0], { nonce: nonce ^ 1 }, 0, NEIGHBOUR).direct(PLACES[0], {}, 0, NEIGHBOUR);
    expect(rig.trusted).toBe(false);
    rig.clear().direct(PLACES[0], { nonce }, 0, NEIGHBOUR);
    expect(rig.trusted).toBe(true);
    expect(rig.find('data', PLACES[0]).destination).toEqual(NEIGHBOUR);
  });

  test('E-95, C-9: not if the peer is behind another NAT', () => {
    const rig = new NatRig('restricted');
    rig.send(data(rig.address, A));
    rig.vector(ex10()).direct(PLACES[0], { nonce: rig.nonce });
    expect(rig.trusted).toBe(false);
  });

  describe('a neighbour that is reached through the NAT, which hairpins', () => {
    /** It has been heard at the pair in its address. */
    const met = (): NatRig => {
      const rig = new NatRig('restricted');
      rig.send(data(rig.address, NEIGHBOUR));
      rig.forwarded({ nonce: A_NONCE, alternates: PLACES }, NEIGHBOUR, NEIGHBOUR_MAPPED);
      rig.direct(NEIGHBOUR_MAPPED, { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe('192.0.2.10:8300');
      return rig;
    };
    const INSIDE = '192.168.1.2:40000';

    test('is sent to its private address once it shows the nonce there, and stays there', () => {
      const rig = met();
      rig.direct(PLACES[0], { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe(INSIDE);
      rig.direct(NEIGHBOUR_MAPPED, { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe(INSIDE);
    });

    test('not without the nonce', () => {
      const rig = met();
      rig.direct(PLACES[0], {}, 0, NEIGHBOUR).direct(PLACES[0], { nonce: rig.nonce ^ 1 }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe('192.0.2.10:8300');
    });

    test('not again once it has not heard us there', () => {
      const rig = met();
      rig.direct(PLACES[0], { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe(INSIDE);
      // It asks through its server, and does not answer a question.
      rig.pass(1_000).forwarded({ nonce: A_NONCE, alternates: PLACES }, NEIGHBOUR, NEIGHBOUR_MAPPED);
      rig.pass(1_000);
      rig.direct(NEIGHBOUR_MAPPED, { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe('192.0.2.10:8300');
      rig.direct(PLACES[0], { nonce: rig.nonce }, 0, NEIGHBOUR);
      expect(rig.whereDataGoes(NEIGHBOUR)).toBe('192.0.2.10:8300');
    });
  });
});
