import { describe, expect, test } from 'vitest';
import {
  ClientRig,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  RELAY,
  at,
  bubble,
  data,
  teredo,
  v6,
} from '../../../../test/support/client-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../../../../test/support/source-routes.ts';

const RELAY_LINK_LOCAL = v6('fe80::1234:5678:9abc:def0');

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();

describe('acceptance', () => {
  test('CL-40, C-15, C-16: a datagram that does not decode is dropped, with a reason', () => {
    const rig = qualified();
    for (const bytes of [[], [0, 2, 0], [0x45, 0], [0, 1, 255, 255], [0, 0, 1]]) {
      rig.receive(PEER_MAPPED, Uint8Array.from(bytes));
    }
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address).slice(0, 39));
    expect(rig.sent).toEqual([]);
    const { droppedEmpty, droppedUnknownHeader, droppedNotIpv6, droppedTruncatedIpv6 } = rig.machine.counters;
    expect([droppedEmpty, droppedUnknownHeader, droppedNotIpv6, droppedTruncatedIpv6]).toEqual([1, 1, 1, 1]);
  });

  test('CL-41: a packet for another address is neither delivered nor answered', () => {
    const rig = qualified();
    const other = teredo(PRIMARY, at('192.0.2.1:4097'));
    rig.receive(RELAY, data(NATIVE, other)).receive(PEER_MAPPED, bubble(PEER, other));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedForeignDestination).toBe(2);
  });

  test('E-3, E-5, C-17: trailers are accepted, except those of type 01xxxxxx', () => {
    const trailed = (...trailer: number[]): ClientRig => {
      const rig = qualified();
      return rig.receive(PEER_MAPPED, Uint8Array.from([...bubble(PEER, rig.address), ...trailer]));
    };
    for (const good of [
      [1, 4, 0xde, 0xad],
      [1, 4, 1, 2, 3, 4, 5],
      [0x80, 0],
      [2, 1, 0xaa],
      [1, 0xff, 0x40, 0],
    ]) {
      expect([...trailed(...good).machine.peers(0)]).toHaveLength(1);
    }
    expect([...trailed(0x40, 0).machine.peers(0)]).toHaveLength(0);
  });

  test('C-31: a packet with a routing header of type 0 is neither delivered nor a sign of life, on any socket, from any sender', () => {
    const rig = qualified().receive(PEER_MAPPED, bubble(PEER, qualified().address));
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).advance(1_000).clear();
    const heard = [...rig.machine.peers(rig.now)][0].lastReceivedMs;
    for (const [, chain] of SOURCE_ROUTED) {
      rig.receive(PEER_MAPPED, extended(data(PEER, rig.address), chain));
      rig.receive(RELAY, extended(data(NATIVE, rig.address), chain));
    }
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedRoutingHeader).toBe(2 * SOURCE_ROUTED.length);
    expect([...rig.machine.peers(rig.now)].map(({ lastReceivedMs }) => lastReceivedMs)).toEqual([heard]);
    for (const [, chain] of NOT_SOURCE_ROUTED) {
      rig.receive(PEER_MAPPED, extended(data(PEER, rig.address), chain));
      expect(rig.delivered.at(-1)).toEqual(extended(data(PEER, rig.address), chain));
    }
    expect(rig.delivered).toHaveLength(NOT_SOURCE_ROUTED.length);
  });

  test("CL-8: link-local sources are accepted for bubbles only; multicast and the client's own address never", () => {
    const rig = qualified();
    for (const source of [RELAY_LINK_LOCAL, v6('ff02::1'), v6('::'), v6('::1'), rig.address]) {
      rig.receive(RELAY, data(source, rig.address));
    }
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedInvalidSource).toBe(5);
  });
});

describe('case 1: trusted peers', () => {
  test('CL-45, CL-47, CL-52: a direct bubble makes a peer trusted; its data is delivered, the bubble is not', () => {
    const rig = qualified().receive(PEER_MAPPED, bubble(PEER, qualified().address));
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    expect(rig.delivered).toEqual([]);
    rig.advance(5).receive(PEER_MAPPED, data(PEER, rig.address));
    expect(rig.delivered).toEqual([data(PEER, rig.address)]);
    const [peer] = [...rig.machine.peers(rig.now)];
    expect(peer).toMatchObject({
      mapped: PEER_MAPPED,
      trusted: true,
      lastReceivedMs: rig.now,
      state: 'valid',
    });
  });

  test("a peer's traffic counts packets to and from the host: no bubbles, no dropped packets", () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).send(rig.data(PEER));
    rig.receive(PEER_MAPPED, data(PEER, rig.address, 100)).receive(PEER_MAPPED, data(PEER, rig.address, 200));
    rig.receive(PEER_MAPPED, extended(data(PEER, rig.address), SOURCE_ROUTED[0]![1]));
    const sentBytes = rig.data(PEER).length;
    const here = { receivedPackets: 2, receivedBytes: 300, sentPackets: 1, sentBytes };
    expect(rig.machine.trafficOf(PEER)).toEqual(here);
    const more = { receivedPackets: 7, receivedBytes: 700, sentPackets: 5, sentBytes: 50 };
    rig.machine.handleCarried(PEER, 0, rig.now, rig.now, rig.now, more);
    expect(rig.machine.trafficOf(PEER)).toEqual({
      receivedPackets: 9,
      receivedBytes: 1_000,
      sentPackets: 6,
      sentBytes: sentBytes + 50,
    });
    expect(rig.machine.trafficOf(NATIVE)).toBeUndefined();
  });

  test('CL-47: data then goes directly to the peer, without bubbles', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear().send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
  });

  test('CL-47, C-5, U-4: data from the mapped address and port in the address is enough; any flags; another flag is another peer', () => {
    const rig = qualified();
    for (const flags of [0, 0x8000, 0x3cff, 0x7fff]) {
      const peer = teredo(PEER_SERVER, PEER_MAPPED, flags);
      rig.receive(PEER_MAPPED, data(peer, rig.address));
    }
    expect(rig.delivered).toHaveLength(4);
    expect([...rig.machine.peers(rig.now)].filter(({ trusted }) => trusted)).toHaveLength(4);
  });

  test('C-7: a peer whose address embeds a private address is refused', () => {
    const rig = qualified();
    const inside = at('10.0.0.9:1024');
    rig.receive(inside, data(teredo(PEER_SERVER, inside), rig.address));
    expect([...rig.machine.peers(rig.now)]).toEqual([]);
    expect(rig.delivered).toEqual([]);
  });
});
