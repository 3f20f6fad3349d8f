import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  RELAY,
  at,
  bubble,
  data,
  echoReply,
  echoRequest,
  teredo,
} from '../../test/support/client-rig.ts';
import { packetOf } from '../../test/support/machine-rig.ts';
import { RelayRig, pairOf } from '../../test/support/relay-rig.ts';

import { HOP_LIMIT } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';
import { combineEcn, takeOuterEcn } from './ecn.ts';

const [NOT_ECT, ECT1, ECT0, CE] = [0, 1, 2, 3];
const FIELDS = [NOT_ECT, ECT1, ECT0, CE];
/** RFC 6040 figure 4: rows by the inner field, columns by the outer one, in the order of {@link FIELDS}. */
const TABLE = [
  [NOT_ECT, NOT_ECT, NOT_ECT, -1],
  [ECT1, ECT1, ECT1, CE],
  [ECT0, ECT1, ECT0, CE],
  [CE, CE, CE, CE],
];
const OTHER = teredo(PEER_SERVER, at('192.0.2.11:8192'));

function withEcn(packet: Uint8Array, ecn: number, others = 0): Uint8Array {
  packet[1] = others | (ecn << 4);
  return packet;
}

/** The fields of a peer's packets after the tunnel, in the form of the table; `hops`: by which the hop limit is decremented. */
function table(
  pass: (packet: Uint8Array, tos: number) => Uint8Array | undefined,
  source: Ipv6,
  to: Ipv6,
  hops = 0,
) {
  return FIELDS.map((inner) =>
    FIELDS.map((outer) => {
      // An outer DSCP, other bits of the traffic class, and a flow label: none of them changes the result.
      const out = pass(withEcn(packetOf(source, to), inner, 0xcf), 0xb8 | outer);
      if (out === undefined) return -1;
      const expected = withEcn(packetOf(source, to), (out[1]! >> 4) & 3, 0xcf);
      expected[HOP_LIMIT]! -= hops;
      expect(out).toEqual(expected);
      return (out[1]! >> 4) & 3;
    }),
  );
}

test('N-8: the table of RFC 6040 section 4.2', () => {
  expect(FIELDS.map((inner) => FIELDS.map((outer) => combineEcn(inner, outer)))).toEqual(TABLE);
});

test('N-8: a packet to be dropped is not changed', () => {
  const packet = packetOf(PEER, NATIVE);
  expect(takeOuterEcn(packet, 0, CE)).toBe(false);
  expect(packet).toEqual(packetOf(PEER, NATIVE));
});

describe('N-8: packets that leave the tunnel', () => {
  const pairs = FIELDS.length ** 2;

  test('from a trusted peer, at a client', () => {
    const rig = new ClientRig().qualify();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    const pass = (packet: Uint8Array, tos: number): Uint8Array | undefined =>
      rig.clear().receive(PEER_MAPPED, packet, 0, tos).delivered[0];
    expect(table(pass, PEER, rig.address)).toEqual(TABLE);
    expect(rig.machine.counters).toMatchObject({ deliveredPackets: pairs - 1, droppedEcn: 1 });
  });

  test('from an unverified peer, at a client', () => {
    const rig = new ClientRig().qualify();
    const pass = (packet: Uint8Array, tos: number): Uint8Array | undefined =>
      rig.clear().receive(RELAY, packet, 0, tos).delivered[0];
    expect(table(pass, NATIVE, rig.address)).toEqual(TABLE);
  });

  test('from a peer whose packets are held until it has proven itself', () => {
    const rig = new ClientRig({ strictUnverified: true }).qualify();
    rig.receive(RELAY, withEcn(echoRequest(NATIVE, rig.address), ECT0), 0, CE);
    rig.receive(RELAY, data(NATIVE, rig.address), 0, CE);
    const [probe] = rig.all('test');
    rig.receive(RELAY, echoReply(probe!));
    expect(rig.delivered).toEqual([withEcn(echoRequest(NATIVE, rig.address), CE)]);
    expect(rig.machine.counters['droppedEcn']).toBe(1);
  });

  test('at a relay', () => {
    const rig = new RelayRig().acquaint(NATIVE, PEER);
    const pass = (packet: Uint8Array, tos: number): Uint8Array | undefined =>
      rig.clear().receive(pairOf(PEER), packet, 0, tos).delivered[0];
    expect(table(pass, PEER, NATIVE)).toEqual(TABLE);
    expect(rig.machine.counters).toMatchObject({ relayedToNative: pairs - 1, droppedEcn: 1 });
  });

  test('at a relay between two clients, before the packet enters the other tunnel', () => {
    const rig = new RelayRig({ meet: true }).acquaint(NATIVE, PEER).acquaint(NATIVE, OTHER);
    const pass = (packet: Uint8Array, tos: number): Uint8Array | undefined =>
      rig.clear().receive(pairOf(PEER), packet, 0, tos).sent[0]?.bytes;
    expect(table(pass, PEER, OTHER, 1)).toEqual(TABLE);
  });
});

test('a peer whose packet is dropped for its ECN mark still counts as heard', () => {
  const rig = new ClientRig().qualify();
  rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).advanceServed(20_000);
  rig.receive(PEER_MAPPED, data(PEER, rig.address), 0, CE).advanceServed(20_000);
  expect([...rig.machine.peers(rig.now)]).toMatchObject([{ state: 'valid' }]);
});
