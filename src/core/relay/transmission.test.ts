import { describe, expect, test } from 'vitest';
import { reached } from '../../../test/support/limit-hits.ts';
import { MAPPED, PRIMARY, at, teredo, v4, v6 } from '../../../test/support/client-rig.ts';
import { packetOf } from '../../../test/support/machine-rig.ts';
import { RelayRig, prefix } from '../../../test/support/relay-rig.ts';
import { NOT_SOURCE_ROUTED, SOURCE_ROUTED, extended } from '../../../test/support/source-routes.ts';
import { buildEchoReply, buildUnreachable, formatIpv4, toHex } from '../../wire/index.ts';
import { AddressPolicy } from '../address-policy.ts';
import { RELAY_LIMITS } from './index.ts';

const CLIENT = teredo(PRIMARY, MAPPED);
const NATIVE = v6('2001:db8::1');
const SERVER = '203.0.113.120:3544';

describe('first contact', () => {
  test('C-31: a packet with a routing header of type 0 begins none, and is not sent to a known client', () => {
    const rig = new RelayRig();
    for (const [, chain] of SOURCE_ROUTED) rig.offer(extended(packetOf(NATIVE, CLIENT), chain));
    rig.acquaint(NATIVE, CLIENT);
    for (const [, chain] of SOURCE_ROUTED) rig.offer(extended(packetOf(NATIVE, CLIENT), chain));
    expect([rig.sent, rig.machine.counters.contactsBegun]).toEqual([[], 1]);
    expect(rig.machine.counters.droppedRoutingHeader).toBe(2 * SOURCE_ROUTED.length);
    for (const [, chain] of NOT_SOURCE_ROUTED) rig.offer(extended(packetOf(NATIVE, CLIENT), chain));
    expect(rig.data).toHaveLength(NOT_SOURCE_ROUTED.length);
  });

  test('R-7, C-18, A-26: a bubble through the server of the destination, from fe80:: with 64 secret bits', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual([`bubble ${SERVER}`]);
    const [{ bytes, source, destination, socket }] = rig.sent;
    expect([bytes.length, bytes[7], socket]).toEqual([40, 21, 0]);
    expect(toHex(source, 0, 8)).toBe('fe80000000000000');
    expect(toHex(destination)).toBe(toHex(CLIENT));
    expect(rig.isKnown(CLIENT)).toBe(true);
    expect(rig.isTrusted(CLIENT)).toBe(false);
  });

  test('A-26: each client gets a bubble from another source', () => {
    const rig = new RelayRig();
    for (let port = 1; port <= 100; port++) rig.toClient(NATIVE, teredo(PRIMARY, { ...MAPPED, port }));
    expect(new Set(rig.bubbles.map(({ source }) => toHex(source))).size).toBe(100);
  });

  test('R-8, A-2, R-27: bubbles at 0, 2, 4 and 6 s; at 8 s the host gets an ICMPv6 error', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).advance(60_000);
    expect(rig.sent.map(({ time }) => time - 10_000)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(rig.delivered.length).toBe(1);
    const [error] = rig.delivered;
    expect([error[40], error[41]]).toEqual([1, 3]);
    expect(toHex(error, 8, 24)).toBe(toHex(v6('2001:db8:ffff::1')));
    expect(toHex(error, 24, 40)).toBe(toHex(NATIVE));
    expect(rig.machine.counters.droppedNoAnswer).toBe(1);
  });

  test('R-8: an answer after 8 s is accepted, but no packet waits any more', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).advance(8_000);
    rig.answer(rig.bubbles[0]);
    expect(rig.data).toEqual([]);
    rig.toClient(NATIVE, CLIENT);
    expect(rig.data.length).toBe(1);
  });

  test('R-9, R-5: waiting packets are sent in order when the answer comes, later ones at once', () => {
    const rig = new RelayRig();
    for (let length = 1; length <= 5; length++) rig.toClient(NATIVE, CLIENT, length);
    expect(rig.kinds).toEqual([`bubble ${SERVER}`]);
    const [bubble] = rig.bubbles;
    rig.clear().answer(bubble);
    expect(rig.sent.map(({ bytes }) => bytes.length - 40)).toEqual([1, 2, 3, 4, 5]);
    for (const sent of rig.sent) expect(sent.to(MAPPED)).toBe(true);
    rig.clear().toClient(NATIVE, CLIENT, 6);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(packetOf(NATIVE, CLIENT, 6)));
    expect(rig.delivered).toEqual([]);
  });

  test('R-9: of 1,000 packets no more than the queue holds', () => {
    const rig = new RelayRig();
    for (let i = 0; i < 1_000; i++) rig.toClient(NATIVE, CLIENT);
    rig.answer(rig.bubbles[0]);
    expect(rig.data.length).toBe(32);
    expect(rig.machine.counters.droppedQueueFull).toBe(968);
    expect(reached(rig.machine, 'contacts')).toEqual([968, formatIpv4(MAPPED.address)]);
  });

  test('R-9, R-31: packets that make room for those of another client are counted', () => {
    const contacts = { packetsPerPeer: 32, bytesPerPeer: 1_000, bytes: 100 };
    const rig = new RelayRig({ limits: { ...RELAY_LIMITS, contacts } });
    rig
      .toClient(NATIVE, CLIENT)
      .toClient(NATIVE, CLIENT)
      .toClient(NATIVE, teredo(PRIMARY, at('192.0.2.9:9')));
    expect(rig.machine.counters).toMatchObject({ droppedCrowdedOut: 2, droppedQueueFull: 0 });
    expect(reached(rig.machine, 'contacts')).toEqual([2, formatIpv4(MAPPED.address)]);
    expect(rig.answer(rig.bubbles[0]).data).toEqual([]);
  });

  test('R-33: continuous traffic to a mute client: 4 bubbles in 300 s, then 4 more', () => {
    const rig = new RelayRig();
    for (let i = 0; i < 3_100; i++) rig.toClient(NATIVE, CLIENT).advance(100);
    expect(rig.bubbles.map(({ time }) => (time - 10_000) / 1_000)).toEqual([0, 2, 4, 6, 300, 302, 304, 306]);
  });

  test('R-27, R-33: while no bubble is allowed, the host gets an ICMPv6 error at once, at most 10 times a second', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).advance(9_000).clear();
    for (let i = 0; i < 1_000; i++) rig.toClient(NATIVE, CLIENT).advance(10);
    expect(rig.sent).toEqual([]);
    expect(rig.delivered.length).toBeGreaterThan(100);
    expect(rig.delivered.length).toBeLessThan(130);
  });

  test('R-10, H-7: behind a NAT a bubble is sent directly to the client, too', () => {
    const rig = new RelayRig({ directBubbles: true }).toClient(NATIVE, CLIENT);
    // First, so that the relay's NAT is open when the answer to the other one comes.
    expect(rig.kinds).toEqual(['bubble 192.0.2.1:4096', `bubble ${SERVER}`]);
    expect(toHex(rig.sent[1].bytes)).toBe(toHex(rig.sent[0].bytes));
    expect(rig.answer(rig.sent[1]).data.length).toBe(1);
  });

  test('R-11, U-6: the cone flag of a client is ignored', () => {
    const rig = new RelayRig().toClient(NATIVE, teredo(PRIMARY, MAPPED, 0x8000));
    expect(rig.kinds).toEqual([`bubble ${SERVER}`]);
  });

  test('R-6: with trustCone the packet is sent at once, and the peer is trusted', () => {
    const cone = teredo(PRIMARY, MAPPED, 0x8000);
    const rig = new RelayRig({ trustCone: true })
      .toClient(NATIVE, cone)
      .toClient(NATIVE, cone)
      .toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual(['data 192.0.2.1:4096', 'data 192.0.2.1:4096', `bubble ${SERVER}`]);
    expect(rig.isTrusted(cone)).toBe(true);
    expect(rig.fromClient(cone, NATIVE).delivered.length).toBe(1);
  });

  test('U-4: clients whose addresses differ in the flags are two peers', () => {
    const other = teredo(PRIMARY, MAPPED, 0x2c5b);
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).toClient(NATIVE, other);
    expect(rig.kinds).toEqual([`bubble ${SERVER}`]);
    expect(rig.isTrusted(CLIENT)).toBe(true);
    expect(rig.isTrusted(other)).toBe(false);
  });

  test('R-2: bubbles, direct ones included, and data leave from the service port', () => {
    const rig = new RelayRig({ directBubbles: true }).toClient(NATIVE, CLIENT);
    rig.answer(rig.bubbles[0]).toClient(NATIVE, CLIENT);
    expect(rig.sent.map(({ kind, socket }) => [kind, socket])).toEqual([
      ['bubble', 0],
      ['bubble', 0],
      ['data', 0],
      ['data', 0],
    ]);
  });
});

describe('trust', () => {
  test('R-26: after 30 s of silence the contact begins again', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(29_999).toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual(['data 192.0.2.1:4096']);
    rig.clear().advance(1).toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual([`bubble ${SERVER}`]);
    expect(rig.answer(rig.bubbles[0]).data.length).toBe(1);
  });

  test('R-22, R-26: any packet of a trusted client keeps it valid', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let i = 0; i < 5; i++) rig.advance(25_000).fromClient(CLIENT, NATIVE);
    rig.clear().advance(25_000).toClient(NATIVE, CLIENT);
    expect(rig.kinds).toEqual(['data 192.0.2.1:4096']);
  });

  test('R-22, R-26: a trusted client that sends after a long silence is valid again, and gets the waiting packets', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(40_000).toClient(NATIVE, CLIENT);
    expect(rig.data).toEqual([]);
    rig.fromClient(CLIENT, NATIVE);
    expect(rig.delivered.length).toBe(1);
    expect(rig.data.length).toBe(1);
  });

  test('R-8: a trusted client that no longer answers has to prove itself again', () => {
    const rig = new RelayRig()
      .acquaint(NATIVE, CLIENT)
      .advance(40_000)
      .toClient(NATIVE, CLIENT)
      .advance(8_000);
    expect(rig.isTrusted(CLIENT)).toBe(false);
    rig.clear().fromClient(CLIENT, NATIVE);
    expect(rig.delivered).toEqual([]);
    expect(rig.machine.counters.droppedUnverified).toBe(1);
  });

  test('peers without traffic for 300 s are removed, and then no timer runs', () => {
    const rig = new RelayRig()
      .acquaint(NATIVE, CLIENT)
      .toClient(v6('2001:db8::2'), teredo(PRIMARY, at('192.0.2.9:9')));
    rig.advance(320_000);
    expect([...rig.machine.peers]).toEqual([]);
    expect(rig.machine.pollTimeout()).toBe(Infinity);
  });
});

describe('a trusted client that has become silent', () => {
  test('gets two bubbles beside the data; the rest of the budget is for the contact at 30 s', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).advance(10_000).fromClient(CLIENT, NATIVE);
    for (let i = 0; i < 400; i++) rig.toClient(NATIVE, CLIENT).advance(100);
    expect(rig.data.length).toBe(300);
    const times = rig.bubbles.map(({ time }) => (time - 20_000) / 1_000);
    expect(times).toEqual([3, 8, 30, 32]);
  });

  test('that answers each time gets one bubble in 5 s during a one-way stream, and uses up no budget', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    let carried = 0;
    let answered = 0;
    for (let i = 0; i < 6_000; i++) {
      rig.clear().toClient(NATIVE, CLIENT).advance(100);
      carried += rig.data.length;
      for (const bubble of rig.bubbles) {
        rig.answer(bubble);
        answered++;
      }
    }
    expect(carried).toBe(6_000);
    expect(answered).toBeGreaterThan(100);
    expect(answered).toBeLessThan(122);
  });

  test('gets no bubble if packets to it are far apart', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT);
    for (let i = 0; i < 20; i++) rig.advance(10_000).toClient(NATIVE, CLIENT).fromClient(CLIENT, NATIVE);
    expect(rig.bubbles).toEqual([]);
  });

  test('departure 4: an echo reply to it allows one bubble in 10 s beyond the budget', () => {
    const rig = new RelayRig().toClient(NATIVE, CLIENT).advance(9_000);
    const reply = buildEchoReply({
      source: NATIVE,
      destination: CLIENT,
      hopLimit: 64,
      identifier: 1,
      sequence: 1,
      data: new Uint8Array(8),
    });
    rig.clear();
    for (let i = 0; i < 60; i++) rig.offer(reply).advance(1_000);
    const times = rig.bubbles.map(({ time }) => (time - 19_000) / 1_000);
    expect(times.length).toBeGreaterThanOrEqual(4);
    for (let i = 1; i < times.length; i++) expect(times[i] - times[i - 1]).toBeGreaterThanOrEqual(10);
    expect(rig.answer(rig.bubbles.at(-1)!).data.length).toBeGreaterThan(0);
  });
});

describe('packets that are not sent', () => {
  test('R-3, C-2: packets that are not for a Teredo client', () => {
    const rig = new RelayRig();
    for (const text of ['2001:db8::2', '2001:1::1', '3ffe:831f::1', 'ff02::1', 'fe80::1'])
      rig.toClient(NATIVE, v6(text));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedNotTeredo).toBe(5);
  });

  test.each([
    '10.0.0.1',
    '127.0.0.1',
    '169.254.1.1',
    '192.88.99.1',
    '224.0.0.1',
    '255.255.255.255',
    '198.51.100.255',
  ])('R-4, H-9, V14: to %s, as mapped address or as server', (text) => {
    const policy = new AddressPolicy({ subnets: [{ address: v4('198.51.100.7'), prefixLength: 24 }] });
    const rig = new RelayRig({ policy })
      .toClient(NATIVE, teredo(PRIMARY, at(`${text}:4096`)))
      .toClient(NATIVE, teredo(at(`${text}:3544`), MAPPED));
    expect([rig.sent, rig.delivered]).toEqual([[], []]);
    expect(rig.machine.counters.droppedDestinationNotGlobal).toBe(2);
    expect([...rig.machine.peers]).toEqual([]);
  });

  test('R-4: to port 0', () => {
    expect(new RelayRig().toClient(NATIVE, teredo(PRIMARY, at('192.0.2.1:0'))).sent).toEqual([]);
  });

  test('S-29: to itself, as client or as server', () => {
    const own = { addresses: [v4('192.0.2.200')], port: 3544 };
    const rig = new RelayRig({ own })
      .toClient(NATIVE, teredo(PRIMARY, at('192.0.2.200:3544')))
      .toClient(NATIVE, teredo(at('192.0.2.200:3544'), MAPPED));
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedLoop).toBe(2);
    // A client with the same address and another port is allowed.
    expect(rig.toClient(NATIVE, teredo(PRIMARY, at('192.0.2.200:4000'))).sent.length).toBe(1);
  });

  test.each(['2001:0:cb00:7178:0:efff:3fff:fdf5', 'fe80::1', 'ff0e::1', '::', '::1', 'fc00::1'])(
    'R-30, R-31: from %s',
    (source) => {
      const rig = new RelayRig().toClient(v6(source), CLIENT);
      expect([rig.sent, rig.delivered]).toEqual([[], []]);
      expect(rig.machine.counters.droppedForeignSource).toBe(1);
    },
  );

  test('R-30: even where everything is served', () => {
    const rig = new RelayRig({ serve: [prefix('::/0')] });
    for (const text of ['2001:0:cb00:7178::1', 'fe80::1', 'febf::1', 'ff0e::1', '::', '::1'])
      rig.toClient(v6(text), CLIENT);
    expect(rig.sent).toEqual([]);
    expect(rig.toClient(v6('fec0::1'), CLIENT).sent.length).toBe(1);
  });

  test('R-28, C-22: more than 1280 octets: Packet Too Big', () => {
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).toClient(NATIVE, CLIENT, 1_240);
    expect(rig.data.length).toBe(1);
    rig.clear().toClient(NATIVE, CLIENT, 1_241);
    expect(rig.sent).toEqual([]);
    const [error] = rig.delivered;
    expect([error[40], error[41], toHex(error, 44, 48)]).toEqual([2, 0, '00000500']);
    expect(error.length).toBeLessThanOrEqual(1_280);
  });

  test('R-27: an error causes no error', () => {
    const error = buildUnreachable({
      source: NATIVE,
      destination: CLIENT,
      offending: packetOf(CLIENT, NATIVE),
      code: 3,
    });
    const rig = new RelayRig().offer(error).advance(60_000).offer(error);
    expect(rig.delivered).toEqual([]);
  });

  test('without a native address the relay sends no errors', () => {
    const rig = new RelayRig({ withoutAddress: true }).toClient(NATIVE, CLIENT, 1_241);
    expect(rig.delivered).toEqual([]);
  });

  test('octets that are not a whole IPv6 packet', () => {
    const packet = packetOf(NATIVE, CLIENT);
    const rig = new RelayRig();
    for (let length = 0; length < packet.length; length++) rig.offer(packet.subarray(0, length));
    packet[0] = 0x45;
    rig.offer(packet);
    expect(rig.sent).toEqual([]);
    expect(rig.machine.counters.droppedMalformedPacket).toBe(49);
  });

  test('N-2: the inner traffic class is never changed, and octets after the packet are not sent', () => {
    const packet = new Uint8Array(60);
    packet.set(packetOf(NATIVE, CLIENT, 8));
    packet[0] = 0x6b;
    packet[1] = 0xb0;
    const rig = new RelayRig().acquaint(NATIVE, CLIENT).offer(packet);
    expect(toHex(rig.sent[0].bytes)).toBe(toHex(packet, 0, 48));
  });
});
