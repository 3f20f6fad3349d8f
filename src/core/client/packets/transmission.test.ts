import { describe, expect, test } from 'vitest';
import { reached } from '../../../../test/support/limit-hits.ts';
import { AddressPolicy } from '../../address-policy.ts';
import {
  ClientRig,
  LOCAL,
  NATIVE,
  PEER,
  PEER_MAPPED,
  PEER_SERVER,
  PRIMARY,
  RELAY,
  at,
  bubble,
  data,
  echoReply,
  teredo,
  v4,
  v6,
  withOrigin,
} from '../../../../test/support/client-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../../../../test/support/source-routes.ts';
import {
  ICMPV6,
  checkIcmpv6,
  icmpv6Code,
  icmpv6Type,
  isBubble,
  readUint32,
  toHex,
} from '../../../wire/index.ts';

const qualified = (options = {}): ClientRig => new ClientRig(options).qualify();
const times = (rig: ClientRig, from: number): number[] => rig.sent.map(({ time }) => time - from);

describe('case 1: valid peers', () => {
  test('CL-61: directly to the address and port of the entry; the time of transmission is kept', () => {
    const rig = qualified().receive(PEER_MAPPED, bubble(PEER, qualified().address));
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear().advance(100).send(rig.data(PEER));
    expect(rig.kinds).toEqual(['data 192.0.2.10:8192']);
    expect([...rig.machine.peers(rig.now)][0].lastSentMs).toBe(rig.now);
  });

  test('CL-60: a peer silent for 30 s is contacted again before a packet is sent', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
    rig.now += 29_999;
    rig.send(rig.data(PEER));
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
    rig.clear().advance(2_000).clear().send(rig.data(PEER));
    expect(rig.all('data')).toEqual([]);
    expect(rig.all('bubble').length).toBeGreaterThan(0);
    rig.receive(PEER_MAPPED, data(PEER, rig.address));
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(1);
  });

  test('C-31: a packet with a routing header of type 0 is dropped, and begins no contact', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
    for (const [, chain] of SOURCE_ROUTED)
      rig.send(extended(rig.data(PEER), chain)).send(extended(rig.data(NATIVE), chain));
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedRoutingHeader).toBe(2 * SOURCE_ROUTED.length);
    for (const [, chain] of NOT_SOURCE_ROUTED) rig.send(extended(rig.data(PEER), chain));
    expect(rig.all('data', PEER_MAPPED)).toHaveLength(NOT_SOURCE_ROUTED.length);
  });

  test('N-2: packets are sent unchanged, traffic class included', () => {
    const rig = qualified();
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address)).clear();
    const packet = rig.data(PEER);
    packet[0] = 0x6b;
    packet[1] = 0xb0;
    rig.send(packet);
    expect(rig.sent[0].bytes).toEqual(packet);
    const inbound = data(PEER, rig.address);
    inbound[1] = 0x30;
    expect(rig.receive(PEER_MAPPED, inbound).delivered.at(-1)).toEqual(inbound);
  });
});

describe('case 2: native destinations', () => {
  test("CL-62, CL-120, C-27: a test through the client's server at 0, 2, 4, 6 s; at 8 s it ends with an error", () => {
    const rig = qualified();
    const from = rig.now;
    rig.send(rig.data(NATIVE)).advanceServed(7_999);
    expect(new Set(rig.kinds)).toEqual(new Set(['test 203.0.113.120:3544']));
    expect(times(rig, from)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(rig.sent[0].source).toEqual(rig.address);
    expect(rig.sent[0].destination).toEqual(NATIVE);
    expect(rig.sent[0].bytes).toHaveLength(56);
    expect(checkIcmpv6(rig.sent[0].bytes, 0)).toBe(true);
    expect(rig.delivered).toEqual([]);
    rig.advance(1);
    expect(rig.delivered).toHaveLength(1);
    const [error] = rig.delivered;
    expect([icmpv6Type(error, 0), icmpv6Code(error, 0)]).toEqual([ICMPV6.DESTINATION_UNREACHABLE, 3]);
    expect(checkIcmpv6(error, 0)).toBe(true);
    expect(rig.clear().advance(5_000).all('test')).toEqual([]);
  });

  test('CL-62: if the first test is lost, contact takes 2 s longer', () => {
    const rig = qualified();
    rig
      .send(rig.data(NATIVE))
      .advance(2_000)
      .receive(RELAY, echoReply(rig.all('test')[1]));
    expect(rig.all('data', RELAY)).toHaveLength(1);
  });

  test('CL-123: nonces do not repeat', () => {
    const rig = qualified();
    const nonces = new Set<string>();
    for (let i = 0; i < 1_000; i++) {
      rig.clear().send(rig.data(v6(`2001:db8::${i.toString(16)}`)));
      nonces.add(toHex(rig.sent[0].bytes, 48));
    }
    expect(nonces.size).toBe(1_000);
  });

  test('CL-68: the queue for a mute peer is limited', () => {
    const rig = qualified();
    for (let i = 0; i < 1_000; i++) rig.send(rig.data(NATIVE));
    expect(rig.machine.counters.droppedQueueFull).toBe(968);
    expect(reached(rig.machine, 'queue')).toEqual([968, toHex(NATIVE.subarray(0, 8))]);
    rig.receive(RELAY, echoReply(rig.sent[0]));
    expect(rig.all('data', RELAY)).toHaveLength(32);
  });

  test('CL-68: packets that make room for those of another peer are counted', () => {
    const queue = { packetsPerPeer: 32, bytesPerPeer: 1_000, bytes: 100 };
    const rig = qualified({ limits: { queue } });
    rig.send(rig.data(NATIVE)).send(rig.data(v6('2001:db8::2')));
    expect(rig.machine.counters).toMatchObject({ droppedCrowdedOut: 1, droppedQueueFull: 0 });
    expect(reached(rig.machine, 'queue')).toEqual([1, toHex(NATIVE.subarray(0, 8))]);
  });

  test('errors to the local stack are limited', () => {
    const rig = qualified();
    for (let i = 0; i < 100; i++) rig.send(rig.data(v6(`2001:db8::${i.toString(16)}`)));
    expect(rig.advance(8_000).delivered.length).toBeGreaterThan(10);
    expect(rig.delivered.length).toBeLessThanOrEqual(20);
    expect(reached(rig.machine, 'icmp-errors')).toEqual([100 - rig.delivered.length, '20010db800000000']);
    expect(rig.machine.counters.suppressedErrors).toBe(100 - rig.delivered.length);
  });

  test('errors for contacts that this host has begun are sent, however many its answers to strangers cause', () => {
    const rig = qualified();
    let heard = 0;
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 20; i++) {
        const stranger = v6(`2001:db8:${(20 * second + i).toString(16)}::1`);
        const relay = at(`198.51.100.${i + 1}:3545`);
        rig.receive(relay, data(stranger, rig.address));
        for (let n = 0; n < 5; n++) rig.send(rig.data(stranger));
        rig.advanceServed(50);
      }
      if (second % 6 === 0) rig.send(rig.data(v6(`2a00:${second.toString(16)}::1`)));
      const errors = rig.delivered.filter((packet) => packet[6] === 58 && packet[40 + 8 + 24] === 0x2a);
      heard += errors.length;
      rig.clear();
    }
    expect(heard).toBeGreaterThanOrEqual(8); // the last contacts are still under way
  });
});

describe('case 5: Teredo destinations', () => {
  test('CL-65, CL-90, CL-92, CL-96: direct and indirect bubble at once, again at 2, 4, 6 s, then an error', () => {
    const rig = qualified();
    const from = rig.now;
    rig.send(rig.data(PEER));
    expect(rig.kinds).toEqual(['bubble 192.0.2.10:8192', 'bubble 198.51.100.118:3544']);
    for (const { bytes, source, destination } of rig.sent) {
      expect(isBubble(bytes, 0)).toBe(true);
      expect([source, destination]).toEqual([rig.address, PEER]);
    }
    rig.advance(8_000);
    expect(times(rig, from)).toEqual([0, 0, 2_000, 2_000, 4_000, 4_000, 6_000, 6_000]);
    expect(rig.delivered).toHaveLength(1);
  });

  test('CL-65: any direct packet of the peer releases the queue, first in first out', () => {
    for (const answer of [bubble, data]) {
      const rig = qualified();
      rig.send(rig.data(PEER, 60)).send(rig.data(PEER, 61)).send(rig.data(PEER, 62));
      rig.clear().receive(PEER_MAPPED, answer(PEER, rig.address));
      expect(rig.kinds).toEqual(Array.from({ length: 3 }, () => 'data 192.0.2.10:8192'));
      expect(rig.sent.map(({ bytes }) => bytes.length)).toEqual([60, 61, 62]);
    }
  });

  test('CL-91, CL-93: the first round is never delayed; 100 packets in 1 s cause one round', () => {
    const rig = qualified();
    for (let i = 0; i < 100; i++) rig.send(rig.data(PEER)).advance(10);
    expect(rig.all('bubble')).toHaveLength(2);
  });

  test('CL-94: four rounds to a mute peer in 300 s, a fifth after', () => {
    const rig = qualified();
    const from = rig.now;
    for (let i = 0; i < 580; i++) rig.send(rig.data(PEER)).advanceServed(500);
    expect(rig.now - from).toBe(290_000);
    expect(rig.all('bubble', PEER_SERVER)).toHaveLength(4);
    for (let i = 0; i < 23; i++) rig.send(rig.data(PEER)).advanceServed(500);
    expect(rig.all('bubble', PEER_SERVER).length).toBeGreaterThan(4);
  });

  test('CL-95: a direct response restores the whole budget', () => {
    const rig = qualified();
    rig.send(rig.data(PEER)).advance(7_000);
    expect([...rig.machine.peers(rig.now)][0].bubbles).toBe(4);
    rig.receive(PEER_MAPPED, bubble(PEER, rig.address));
    expect([...rig.machine.peers(rig.now)][0].bubbles).toBe(0);
  });

  test('CL-95: so does a new qualification', () => {
    const rig = qualified();
    rig.send(rig.data(PEER)).advance(8_000);
    rig.machine.networkChanged(rig.now, { subnets: [], localAddress: LOCAL });
    rig.drain().answer(rig.find('solicitation', PRIMARY));
    rig.answer(rig.find('solicitation', at('203.0.113.121:3544')), { from: at('203.0.113.121:3544') });
    rig.clear().send(rig.data(PEER));
    expect(rig.all('bubble', PEER_SERVER)).toHaveLength(1);
  });

  test('CL-66, C-9: no datagram if the mapped or the server address is not global', () => {
    const rig = qualified();
    const bad = [
      '0.1.2.3',
      '10.0.0.0',
      '10.255.255.255',
      '127.0.0.1',
      '169.254.0.1',
      '172.16.0.0',
      '172.31.255.255',
      '192.88.99.1',
      '192.168.0.1',
      '224.0.0.1',
      '239.255.255.255',
      '255.255.255.255',
    ];
    for (const address of bad) {
      rig.send(rig.data(teredo(PEER_SERVER, at(`${address}:1000`))));
      rig.send(rig.data(teredo(at(`${address}:3544`), PEER_MAPPED)));
    }
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedNotGlobal).toBe(2 * bad.length);
    for (const address of [
      '9.255.255.255',
      '11.0.0.0',
      '172.32.0.0',
      '240.0.0.1',
      '100.64.0.1',
      '198.18.0.1',
    ]) {
      rig.clear().send(rig.data(teredo(PEER_SERVER, at(`${address}:1000`))));
      expect(rig.sent).toHaveLength(2);
    }
  });

  test('CL-66, C-9: none to the broadcast address of a subnet of the host, with or without a given policy', () => {
    const network = { subnets: [{ address: v4('198.18.5.7'), prefixLength: 24 }], localAddress: LOCAL };
    for (const policy of [undefined, new AddressPolicy()]) {
      const rig = qualified({ network, policy });
      rig.send(rig.data(teredo(PEER_SERVER, at('198.18.5.255:1000'))));
      expect(rig.sent).toEqual([]);
      expect(rig.send(rig.data(teredo(PEER_SERVER, at('198.18.5.254:1000')))).sent).toHaveLength(2);
    }
  });

  test('CL-64, CL-67, U-6: the cone bit of a peer is ignored, unless trustCone is set', () => {
    const cone = teredo(PEER_SERVER, PEER_MAPPED, 0x8000);
    const rig = qualified();
    expect(rig.send(rig.data(cone)).kinds).toEqual(['bubble 192.0.2.10:8192', 'bubble 198.51.100.118:3544']);
    const legacy = new ClientRig({ legacyCone: true }).start();
    legacy.answer(legacy.sent[0], { from: at('203.0.113.121:3544') }).clear();
    expect(legacy.send(legacy.data(cone)).kinds).toEqual(['data 192.0.2.10:8192']);
    legacy.clear().send(legacy.data(teredo(PEER_SERVER, at('10.0.0.1:1'), 0x8000)));
    expect(legacy.sent).toEqual([]);
    expect(legacy.send(legacy.data(PEER)).kinds).toEqual([
      'bubble 192.0.2.10:8192',
      'bubble 198.51.100.118:3544',
    ]);
  });
});

test('with trustCone, a packet sent at once counts as sent to the peer, if it is known', () => {
  const cone = teredo(PEER_SERVER, PEER_MAPPED, 0x8000);
  const rig = new ClientRig({ legacyCone: true }).start();
  rig.answer(rig.sent[0], { from: at('203.0.113.121:3544') }).clear();
  rig.send(rig.data(cone)).receive(PEER_MAPPED, data(cone, rig.address));
  rig.send(rig.data(cone));
  for (let i = 0; i < 310; i++) {
    rig.clear().advance(100);
    for (const one of rig.all('solicitation')) rig.answer(one, { from: at('203.0.113.121:3544') });
  }
  rig.clear().send(rig.data(cone));
  expect(rig.all('data')).toHaveLength(1);
  expect(rig.machine.trafficOf(cone)).toMatchObject({ receivedPackets: 1, sentPackets: 2 });
  expect(rig.machine.counters.sentPackets).toBe(3);
});

describe('contact between two clients', () => {
  const A_MAPPED = at('192.0.2.1:4096');
  const B_MAPPED = PEER_MAPPED;

  function pair(): [ClientRig, ClientRig] {
    const a = new ClientRig({ localDiscovery: false }, 1).qualify();
    const b = new ClientRig({ localDiscovery: false }, 2).start();
    b.answer(b.sent[0], { origin: B_MAPPED });
    b.answer(b.sent[1], { from: at('203.0.113.121:3544'), origin: B_MAPPED });
    return [a, b.clear()];
  }

  /** Passes the datagrams of `from` to `to`: direct ones only if `open`, indirect bubbles always. */
  function carry(
    from: ClientRig,
    mapped: typeof A_MAPPED,
    to: ClientRig,
    toMapped: typeof A_MAPPED,
    open: boolean,
  ): void {
    const { sent } = from;
    from.sent = [];
    for (const one of sent) {
      if (one.to(toMapped) && open) to.receive(mapped, one.bytes);
      if (one.to(PRIMARY) && one.kind === 'bubble') to.receive(PRIMARY, withOrigin(mapped, one.bytes));
    }
  }

  test('CL-51, CL-65: both behind port-restricted NATs, one begins', () => {
    const [a, b] = pair();
    a.send(a.data(b.address));
    carry(a, A_MAPPED, b, B_MAPPED, false); // the direct bubble opens A's NAT and is dropped by B's
    expect(b.kinds).toEqual(['bubble 192.0.2.1:4096', 'bubble 203.0.113.120:3544']); // E-30
    carry(b, B_MAPPED, a, A_MAPPED, true);
    expect(a.all('data', B_MAPPED)).toHaveLength(1);
    carry(a, A_MAPPED, b, B_MAPPED, true);
    expect(b.delivered).toHaveLength(1);
    expect(b.send(b.data(a.address)).kinds).toEqual(['data 192.0.2.1:4096']); // CL-47
  });

  test('CL-65: both at once', () => {
    const [a, b] = pair();
    a.send(a.data(b.address));
    b.send(b.data(a.address));
    carry(a, A_MAPPED, b, B_MAPPED, true);
    carry(b, B_MAPPED, a, A_MAPPED, true);
    carry(a, A_MAPPED, b, B_MAPPED, true);
    carry(b, B_MAPPED, a, A_MAPPED, true);
    expect([a.delivered.length, b.delivered.length]).toEqual([1, 1]);
  });

  test('CL-51: if the direct bubble arrives, its answer needs no server', () => {
    const [a, b] = pair();
    a.send(a.data(b.address));
    b.receive(A_MAPPED, a.all('bubble', B_MAPPED)[0].bytes);
    carry(b, B_MAPPED, a, A_MAPPED, true);
    expect(a.all('data', B_MAPPED)).toHaveLength(1);
  });
});

describe('packets that are never sent', () => {
  test('CL-69, CL-8: to multicast, unspecified, loopback, link-local destinations, and to the client itself', () => {
    const rig = qualified();
    for (const text of ['ff02::1', 'ff0e::1', '::', '::1', 'fe80::1']) rig.send(rig.data(v6(text)));
    rig.send(rig.data(rig.address));
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedUnroutable).toBe(6);
  });

  test("CL-70: with a source that is not the client's address", () => {
    const rig = qualified().send(data(v6('2001:db8::2'), NATIVE));
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedForeignSource).toBe(1);
  });

  test('CL-71, C-22: more than 1280 octets are answered with Packet Too Big', () => {
    const rig = qualified();
    rig.send(rig.data(NATIVE, 1281));
    expect(rig.sent).toEqual([]);
    const [error] = rig.delivered;
    expect(icmpv6Type(error, 0)).toBe(ICMPV6.PACKET_TOO_BIG);
    expect(readUint32(error, 44)).toBe(1280);
    expect(rig.send(rig.data(NATIVE, 1280)).all('test')).toHaveLength(1);
  });

  test('octets that are not an IPv6 packet', () => {
    const rig = qualified();
    for (const bytes of [new Uint8Array(0), new Uint8Array(60), rig.data(NATIVE).slice(0, 50)])
      rig.send(bytes);
    expect(rig.machine.counters.droppedMalformedPacket).toBe(3);
  });
});

describe('contact on request', () => {
  test('to a client: bubbles; to a native host: a test; to an address that cannot be reached: refused', () => {
    const rig = qualified();
    expect(rig.machine.contact(PEER, rig.now)).toBe(true);
    expect(rig.machine.contact(NATIVE, rig.now)).toBe(true);
    expect(rig.drain().kinds).toEqual([
      'bubble 192.0.2.10:8192',
      'bubble 198.51.100.118:3544',
      'test 203.0.113.120:3544',
    ]);
    for (const address of [rig.address, v6('fe80::1'), teredo(PEER_SERVER, at('10.0.0.1:9'))]) {
      expect(rig.machine.contact(address, rig.now)).toBe(false);
    }
    expect(new ClientRig().machine.contact(PEER, 0)).toBe(false);
  });
});
